"""Each further family on the contract: spans, the fast path, edits, batches, folders, and its own processor's text."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from PIL.Image import Image

from tests.engine import test_contract, test_encode
from tests.models.folders import save
from tests.models.own_processors import OWN, own_texts
from trimtab import load
from trimtab.contribution import measure
from trimtab.engine import BlockAttention, Prompt, Row, ScaleHeads, encode, generate, inputs, run
from trimtab.errors import UnsupportedMethodError
from trimtab.items import read_items
from trimtab.models import Model
from trimtab.testing import picture, tiny_model

FAMILIES = tuple(OWN)
SIZES = [(56, 56), (84, 56), (56, 112), (30, 30), (200, 90)]


@cache
def made(family: str) -> Model:
    return tiny_model(family)


@pytest.fixture(scope="session", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Model:
    return made(request.param)


def pictures() -> list[Image]:
    return [picture(i, size) for i, size in enumerate(SIZES)]


@pytest.mark.parametrize(
    "claim",
    [
        test_contract.test_fast_path_equals_plain_reference,
        test_contract.test_receipts_of_both_paths_agree,
        test_contract.test_eager_equals_sdpa,
        test_contract.test_from_last_prompt_touches_exactly_the_last_prompt_token,
        test_contract.test_applied_reaches_the_engine_and_the_models_own_generate,
        test_contract.test_applied_on_a_left_padded_native_batch,
        test_encode.test_positions_equal_the_models_own,
        test_encode.test_spans_do_not_overlap,
    ],
)
def test_contract_of_every_family(model, claim):
    claim(model)


def test_strength_zero_changes_nothing(model):
    test_contract.test_strength_zero_is_exactly_the_unedited_model(model, "all")


def test_edits_of_heads_and_masks_equal_the_reference(model):
    prompt = Prompt("What is it?", pictures()[:3], "Two cats play.")
    inside = int(encode(model, prompt).spans["image"][1])
    rows = [
        Row(prompt, (ScaleHeads(1, (0, 2), factor=0.0),)),
        Row(prompt, (BlockAttention(("image",), ("question",), layers=(1, 2) if model.attends[2] else (1, 3)),)),
        Row(prompt, (BlockAttention((0,), (inside,), layers=(1,)),)),
    ]
    found = run(model, rows).logits
    test_contract.assert_same(found, run(model, rows, reuse=False).logits)
    assert (found - run(model, [Row(prompt)]).logits).abs().amax(-1).min() > 1e-4


def test_spans_are_exact_with_several_pictures_of_mixed_sizes(model):
    test_encode.test_each_span_decodes_to_its_own_text(model, "before_question", 2)
    encoded = encode(model, Prompt("What is it?", pictures()))
    assert len(encoded.spans["image"]) == sum(m.n_tokens for m in encoded.media)
    for size, shown in zip(SIZES, pictures(), strict=True):
        alone = encode(model, Prompt("What is it?", [shown]))
        positions = model.family.count_positions(model.hf, model.image_processor, *size)
        assert [m.n_tokens for m in alone.media] == [len(alone.spans["image"])] == [positions]


def test_a_picture_alone_takes_as_many_positions_as_its_own_processor_says(model):
    placeholder = model.tokenizer.convert_ids_to_tokens(model.placeholders["image"])
    for alone in pictures():
        assert own_texts(model, [alone]) == [model.family.expand(model.show("image", alone), placeholder)]


def test_several_pictures_of_mixed_sizes_in_one_batch(model):
    prompts = [Prompt("What is it?", pictures()[i : i + n]) for i, n in ((0, 1), (1, 3), (0, 5), (3, 2))]
    together, own = run(model, prompts).logits, run(model, prompts, reuse=False).logits
    test_contract.assert_same(together, own)
    test_contract.assert_same(torch.cat([run(model, [p]).logits for p in prompts]), own)
    answers, plain = generate(model, prompts, max_new_tokens=6), generate(model, prompts, max_new_tokens=6, reuse=False)
    assert answers.tokens == plain.tokens
    assert answers.tokens == [generate(model, [p], max_new_tokens=6).tokens[0] for p in prompts]


def test_prompts_of_several_pictures_are_one_batch_of_the_models_own_forward(model):
    prompts = [Prompt("What is it?", pictures()[i : i + n]) for i, n in ((0, 1), (1, 3), (4, 1))]
    hf: Any = model.hf
    with torch.no_grad():
        together = hf(**inputs(model, prompts)).logits[:, -1]
    test_contract.assert_same(together, run(model, prompts, reuse=False).logits)


def test_tokens_are_those_of_its_own_processor(model):
    """One text for each picture, in a prompt of several: the same ids as the processor's class would give."""
    shown = [model.show("image", p, among=True) for p in pictures()]
    placeholder = model.tokenizer.convert_ids_to_tokens(model.placeholders["image"])
    texts = own_texts(model, pictures())
    assert [model.family.expand(m, placeholder) for m in shown] == texts
    assert [t.count(placeholder) for t in texts] == [m.n_tokens for m in shown]


def test_contributions_are_measured_or_refused_with_a_reason(model):
    items = read_items("pocket-mc2:test")[:1]
    if model.family.mask == "prompt" or model.recurrent:
        with pytest.raises(UnsupportedMethodError, match="`contribution` must suit family"):
            measure(model, items)
        return
    found = measure(model, items)
    if any(model.windows):  # shorter than the prompt, as they are in no released model
        assert "(a sliding window)" in found.skipped[0].reason
        return
    assert min(found[0].scores.values()) > 0


def test_gemma3_masks_pictures_even_if_token_types_are_left_out():
    model = made("gemma3")
    encoded = encode(model, Prompt("What is it?", pictures()[:2]))
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    bare = {name: tensor for name, tensor in given.items() if name != "token_type_ids"}
    hf: Any = model.hf
    assert torch.equal(hf(**bare).logits, hf(**given).logits)
    options = {"max_new_tokens": 4, "do_sample": False, "output_scores": True, "return_dict_in_generate": True}
    first, second = hf.generate(**bare, **options).scores[0], hf.generate(**given, **options).scores[0]
    assert torch.equal(first, second)
    test_contract.assert_same(second, hf(**given).logits[:, -1])


def test_a_saved_folder_gives_the_same_model(model, tmp_path):
    again = load(save(model, tmp_path / "saved"), dtype="float32")
    prompts = [Prompt("What is it?", pictures()[:2], "Two cats play.")]
    assert torch.equal(encode(again, prompts[0]).ids, encode(model, prompts[0]).ids)
    test_contract.assert_same(run(again, prompts).logits, run(model, prompts).logits)
