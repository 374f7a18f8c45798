"""Whoever drives the model: edits act where prompts end, in chunks, with drafts, beams, static and continued caches."""

import copy
from typing import Any, cast

import pytest
import torch
from transformers import DynamicCache

from tests.engine.prompts import varied_prompts
from trimtab.engine import (
    AddVector,
    BlockAttention,
    BoostAttention,
    Predictor,
    Prompt,
    Row,
    ScaleHeads,
    applied,
    encode,
    generate,
    inputs,
)
from trimtab.engine.edits import Edit
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.testing import tiny_model

TOKENS = 6


def vector(model: Model) -> torch.Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))


def edits(model: Model) -> dict[str, tuple[Edit, ...]]:
    g = torch.Generator().manual_seed(1)
    size = model.hidden_size
    predictor = Predictor(
        torch.randn(8, size, generator=g) / 8,
        torch.randn(8, generator=g),
        torch.randn(size, 8, generator=g),
        torch.randn(size, generator=g),
    )
    return {
        "from_last_prompt": (AddVector(1, vector(model), 1.5),),
        "last_prompt": (AddVector(1, vector(model), 2.0, "last_prompt"),),
        "generated_only": (AddVector(1, vector(model), 1.5, "generated_only"),),
        "predicted": (AddVector(2, predictor, 2.0),),
        "blocked": (BlockAttention(("image",), ("last", "generated"), (1, 2, 3)),),
        "boosted": (BoostAttention(("image",), ("last", "generated"), (1, 2), 1.5),),
        "heads": (ScaleHeads(2, (0, 1), ("last", "generated"), 3.0),),
    }


def hf_generate(model: Model, given: dict[str, torch.Tensor], **options: Any) -> Any:
    settings = {"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": sorted(model.stop_tokens)}
    return cast(Any, model.hf).generate(
        **given, **(settings | {"pad_token_id": model.tokenizer.pad_token_id} | options)
    )


def answer(model: Model, output: torch.Tensor, prompt: int) -> list[int]:
    tokens = output[prompt:].tolist()
    return tokens[: next((i for i, t in enumerate(tokens) if t in model.stop_tokens), len(tokens))]


WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "chunks": {"prefill_chunk_size": 7},
    "static": {"cache_implementation": "static"},
    "static in chunks": {"cache_implementation": "static", "prefill_chunk_size": 5},
    "no cache": {"use_cache": False},
    "drafts": {"assistant_model": 3},
    "good drafts": {"assistant_model": 4},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore")
def test_the_models_own_generate_gives_the_engines_tokens(model: Model, way: str):
    prompt = varied_prompts()[0]
    options = dict(WAYS[way])
    if "assistant_model" in options:
        options["assistant_model"] = tiny_model(model.family.name, layers=options["assistant_model"]).hf
    given = inputs(model, prompt)
    for name, own in edits(model).items():
        expected = generate(model, [Row(prompt, own)], max_new_tokens=TOKENS)
        with applied(model, own) as receipt:
            output = hf_generate(model, given, **options)
        assert answer(model, output[0], given["input_ids"].shape[1]) == expected.tokens[0], name
        counted, entry = receipt.table()[0], expected.receipt.table()[0]
        assert counted["prompt_positions"] == entry["prompt_positions"], name
        if not way.endswith("drafts"):
            assert counted["generated_positions"] == entry["generated_positions"], name


@pytest.mark.parametrize("way", ["whole", "static", "no cache"])
def test_a_left_padded_batch_and_several_samples_a_prompt(model: Model, way: str):
    prompts = [p for p in varied_prompts() if p.images][:3]
    given = inputs(model, prompts)
    for name, own in edits(model).items():
        expected = generate(model, [Row(p, own) for p in prompts], max_new_tokens=TOKENS).tokens
        with applied(model, own):
            output = hf_generate(model, given, **WAYS[way])
            several = hf_generate(model, given, do_sample=True, top_k=1, num_return_sequences=2, **WAYS[way])
        length = given["input_ids"].shape[1]
        assert [answer(model, row, length) for row in output] == expected, name
        assert [answer(model, row, length) for row in several] == [t for t in expected for _ in range(2)], name


def test_beams_are_edited_each(model: Model):
    prompt, own = varied_prompts()[0], edits(model)["from_last_prompt"]
    given = inputs(model, prompt)
    with applied(model, own) as receipt:
        output = hf_generate(model, given, num_beams=3, num_return_sequences=3)
    assert len({tuple(row.tolist()) for row in output}) == 3
    assert receipt.table()[0]["rows"] == receipt.table()[0]["prompt_positions"] == 3


@pytest.mark.parametrize("name", ["from_last_prompt", "blocked", "predicted"])
def test_an_answer_goes_on_from_its_cache(model: Model, name: str):
    prompt, own = varied_prompts()[0], edits(model)[name]
    given = inputs(model, prompt)
    expected = generate(model, [Row(prompt, own)], max_new_tokens=TOKENS).tokens[0]
    with applied(model, own):
        first = hf_generate(model, given, max_new_tokens=3, return_dict_in_generate=True)
        whole = {"input_ids": first.sequences, "attention_mask": torch.ones_like(first.sequences)}
        if name == "predicted":  # a new prompt end predicts anew, so only the first part can be the same
            assert answer(model, first.sequences[0], given["input_ids"].shape[1]) == expected[:3]
            return
        held = copy.deepcopy(first.past_key_values)
        second = hf_generate(model, whole, max_new_tokens=TOKENS - 3, past_key_values=held)
    assert answer(model, second[0], given["input_ids"].shape[1]) == expected


def test_a_cache_from_outside_is_continued_where_the_edits_leave_it_alone(model: Model):
    prompt = varied_prompts()[0]
    given, own = inputs(model, prompt), edits(model)
    length = given["input_ids"].shape[1]
    part = {k: v[:, : length - 3] if v.shape == given["input_ids"].shape else v for k, v in given.items()}

    def cache() -> DynamicCache:
        with torch.no_grad():
            return cast(Any, model.hf)(**part, past_key_values=DynamicCache(), use_cache=True).past_key_values

    text = {"input_ids": given["input_ids"], "attention_mask": given["attention_mask"]}
    for name in ("from_last_prompt", "blocked"):
        expected = generate(model, [Row(prompt, own[name])], max_new_tokens=TOKENS).tokens[0]
        outside = cache()
        with applied(model, own[name]):
            output = hf_generate(model, text, past_key_values=outside)
        assert answer(model, output[0], length) == expected
    everywhere, outside = AddVector(1, vector(model), 1.0, "all"), cache()
    with pytest.raises(UsageError, match="outside of it, and the edits touch token 0"), applied(model, [everywhere]):
        hf_generate(model, text, past_key_values=outside)
    expected = generate(model, [Row(prompt, (everywhere,))], max_new_tokens=TOKENS).tokens[0]
    with applied(model, [everywhere]):
        output = hf_generate(model, text, past_key_values=cache())
    assert answer(model, output[0], length) == expected


def test_a_loop_of_ones_own_is_a_whole_prompt_and_then_tokens(model: Model):
    prompt, hf = varied_prompts()[0], cast(Any, model.hf)
    given = inputs(model, prompt)
    for name in ("last_prompt", "generated_only", "blocked"):
        own = edits(model)[name]
        expected = generate(model, [Row(prompt, own)], max_new_tokens=4).tokens[0]
        found: list[int] = []
        with applied(model, own), torch.no_grad():
            output = hf(**given, use_cache=True)
            for _ in range(len(expected)):
                found.append(int(output.logits[0, -1].argmax()))
                output = hf(
                    input_ids=torch.tensor([found[-1:]]), past_key_values=output.past_key_values, use_cache=True
                )
        assert found == expected, name
    with applied(model, edits(model)["last_prompt"]), torch.no_grad():
        cache = hf(**given, use_cache=True).past_key_values
        with pytest.raises(UsageError, match="may be the rest of the prompt"):
            hf(input_ids=given["input_ids"][:, -3:], past_key_values=cache)


def test_the_decoder_called_directly_is_edited_too(model: Model):
    prompt = encode(model, varied_prompts()[4])
    own = edits(model)["from_last_prompt"]
    given = model.family.native_inputs(model.hf, prompt.ids, [])
    with applied(model, own), torch.no_grad():
        whole = cast(Any, model.hf)(**given).logits
        states = model.decoder(inputs_embeds=model.embedding(prompt.ids)[None]).last_hidden_state
    torch.testing.assert_close(model.lm_head(states), whole, atol=1e-5, rtol=1e-5)


REFUSED: dict[str, dict[str, Any]] = {
    "guidance_scale": {"guidance_scale": 1.5},
    "penalty_alpha": {"penalty_alpha": 0.6, "top_k": 4},
    "dola_layers": {"dola_layers": "low"},
    "cache_implementation": {"cache_implementation": "paged"},
    "prompt_lookup_num_tokens": {"prompt_lookup_num_tokens": 3},
    "custom_generate": {"custom_generate": lambda **_: None},
    "assistant_early_exit": {"assistant_early_exit": 2},
    "token_healing": {"token_healing": True},
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_cannot_be_followed_is_refused_in_one_sentence(model: Model, option: str):
    given = inputs(model, varied_prompts()[0])
    with pytest.raises(UsageError, match=f"`{option}` of generate"), applied(model, edits(model)["last_prompt"]):
        hf_generate(model, given, **REFUSED[option])
    assert "generate" not in vars(model.hf)


def test_right_padding_packed_rows_and_a_network_over_a_cut_prompt_are_refused(model: Model):
    given, own = inputs(model, varied_prompts()[4]), edits(model)
    mask = given["attention_mask"].clone()
    mask[0, -2:] = 0
    with pytest.raises(UsageError, match="padded on the left"), applied(model, own["last_prompt"]):
        hf_generate(model, given | {"attention_mask": mask})
    with pytest.raises(UsageError, match="padded on the left"), applied(model, own["last_prompt"]):
        cast(Any, model.hf)(**given | {"attention_mask": mask})
    ids = given["input_ids"]
    packed = torch.cat([torch.arange(5), torch.arange(ids.shape[1] - 5)])[None]
    positions = packed if model.family.name == "llava" else packed.expand(3, 1, -1)
    with pytest.raises(UsageError, match="packed"), applied(model, own["last_prompt"]):
        cast(Any, model.hf)(input_ids=ids, position_ids=positions)
    every = AddVector(2, cast(Any, own["predicted"][0]).direction, 1.0, "all")
    with pytest.raises(UsageError, match="computed in one pass"), applied(model, [every]):
        hf_generate(model, given, prefill_chunk_size=5)


def test_blocks_closed_in_any_order_leave_generate_as_it_was(model: Model):
    prompt, own = varied_prompts()[0], edits(model)
    expected = generate(model, [Row(prompt, own["generated_only"])], max_new_tokens=TOKENS).tokens[0]
    one, other = applied(model, own["from_last_prompt"]), applied(model, own["generated_only"])
    one.__enter__()
    other.__enter__()
    given = inputs(model, prompt)
    hf_generate(model, given)
    one.__exit__(None, None, None)
    output = hf_generate(model, given, prefill_chunk_size=7)
    assert answer(model, output[0], given["input_ids"].shape[1]) == expected
    other.__exit__(None, None, None)
    assert "generate" not in vars(model.hf)


def test_inputs_are_what_the_model_takes(model: Model):
    prompts = varied_prompts()
    given = inputs(model, prompts)
    with torch.no_grad():
        together = cast(Any, model.hf)(**given).logits[:, -1]
        alone = torch.cat([cast(Any, model.hf)(**inputs(model, p)).logits[:, -1] for p in prompts])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)
    with pytest.raises(UsageError, match="at least one"):
        inputs(model, [])
    with pytest.raises(UsageError, match="got str"):
        inputs(model, cast(Any, ["What?"]))
    with pytest.raises(UsageError, match="image_counterfactual"):
        inputs(model, Prompt("What?", prompts[0].images, image_counterfactual="shuffle"))
