"""The user's own Hugging Face model and processor: steered in a pipeline, in a stream, over several turns."""

from __future__ import annotations

from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, TextIteratorStreamer, pipeline

import trimtab as tt
from trimtab import pocket
from trimtab.errors import ArtifactError, NothingEditedError, UnsupportedModelError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import Artifact
from trimtab.testing import tiny_model

TOKENS, STRENGTH = 8, 40.0


@pytest.fixture(scope="module")
def own() -> tuple[Any, Any]:
    """What a user has: a model and a processor, opened by transformers alone."""
    folder = pocket.checkpoint("pocket-llava")
    hf = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    return hf, AutoProcessor.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(own) -> Model:
    return tt.wrap(*own)


def vector(model: Model, **changes: Any) -> Artifact:
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(3))
    given: dict[str, Any] = {"layer": 4, "direction": direction, "strength": STRENGTH, **changes}
    return Artifact("mean", "image", model.name, model.fingerprint, **given)


def turn(item: tt.Item) -> list[dict[str, Any]]:
    """An item's prompt as messages of transformers."""
    assert item.image is not None
    picture = {"type": "image", "image": item.image.open()}
    return [{"role": "user", "content": [picture, {"type": "text", "text": prompt_for(item).body()[0]}]}]


def given(processor: Any, messages: list[dict[str, Any]]) -> Any:
    return processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def test_it_is_the_model_that_load_opens(own, model):
    loaded = tt.load("pocket-llava", attention="sdpa")
    assert model.fingerprint == loaded.fingerprint
    assert model.chat_template == loaded.chat_template
    assert model.hf is own[0]
    prompt = prompt_for(tt.read_items("pocket-mc2:test")[0])
    mine, theirs = tt.inputs(model, prompt), tt.inputs(loaded, prompt)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_steered_pipeline_answers_as_the_engine_does(own, model):
    items, artifact = tt.read_items("pocket-mc2:test")[:3], vector(model)
    hf, processor = own
    pipe: Any = pipeline("image-text-to-text", model=hf, processor=processor)
    options: dict[str, Any] = {"return_full_text": False, "generate_kwargs": {"max_new_tokens": TOKENS}}
    with artifact.applied(model) as receipt:
        steered = [pipe(text=turn(item), **options)[0]["generated_text"].strip() for item in items]
    plain = [pipe(text=turn(item), **options)[0]["generated_text"].strip() for item in items]
    assert steered == [a.strip() for a in tt.generate(model, artifact.rows(model, items), max_new_tokens=TOKENS).texts]
    assert plain == [a.strip() for a in tt.generate(model, list(map(prompt_for, items)), max_new_tokens=TOKENS).texts]
    assert steered != plain
    (entry,) = receipt.entries.values()
    assert (entry.layer, entry.rows, entry.prompt_positions) == (4, 3, 3)


def test_a_stream_is_steered_where_the_block_is_opened_in_its_thread(own, model):
    item, artifact = tt.read_items("pocket-mc2:test")[1], vector(model)
    hf, processor = own
    streamer = TextIteratorStreamer(processor.tokenizer, skip_prompt=True, skip_special_tokens=True)

    def answer() -> None:
        with artifact.applied(model):
            hf.generate(**given(processor, turn(item)), max_new_tokens=TOKENS, streamer=streamer)

    thread = Thread(target=answer)
    thread.start()
    said = "".join(streamer)
    thread.join()
    assert said.strip() == tt.generate(model, artifact.rows(model, [item]), max_new_tokens=TOKENS).texts[0].strip()


def test_of_several_turns_the_last_is_steered_as_by_a_plain_hook(own, model):
    item, artifact = tt.read_items("pocket-mc2:test")[2], vector(model)
    hf, processor = own
    talk = [
        *turn(item),
        {"role": "assistant", "content": [{"type": "text", "text": "It is red."}]},
        {"role": "user", "content": [{"type": "text", "text": "Are you sure?"}]},
    ]
    tensors = given(processor, talk)
    length = tensors["input_ids"].shape[1]
    with artifact.applied(model) as receipt:
        steered = hf.generate(**tensors, max_new_tokens=TOKENS)

    direction = artifact.direction
    assert isinstance(direction, torch.Tensor)

    def add(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        changed = output.clone()
        changed[:, -1] += STRENGTH * direction  # the prompt's last token, then each generated one
        return changed

    hook = model.layers[4].register_forward_hook(add)
    try:
        assert torch.equal(steered, hf.generate(**tensors, max_new_tokens=TOKENS))
    finally:
        hook.remove()
    (entry,) = receipt.entries.values()
    assert (entry.prompt_positions, entry.generated_positions) == (1, steered.shape[1] - length - 1)


def test_nothing_is_silent(own, model):
    with pytest.raises(NothingEditedError), vector(model).applied(model):
        pass
    other = Artifact("mean", "image", "other", "other", layer=1, direction=torch.ones(model.hidden_size))
    with pytest.raises(ArtifactError, match="fitted on, other"), other.applied(model):
        pass
    with pytest.raises(UsageError, match="same edits"), vector(model, instruction="Look.").applied(model):
        pass


def parts(model: Model, **changes: Any) -> SimpleNamespace:
    names = {"image": "image_processor", "audio": "feature_extractor"}
    held = {names[kind]: each for kind, each in model.processors.items() if kind in names}
    whole = {"tokenizer": model.tokenizer, "chat_template": model.chat_template, **held, **changes}
    return SimpleNamespace(**whole)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava_onevision", "qwen2_audio", "qwen2_5_omni_thinker"])
def test_families_of_every_medium_are_wrapped(family):
    tiny = tiny_model(family)
    wrapped = tt.wrap(tiny.hf, parts(tiny), name="mine")
    assert wrapped.modalities == tiny.modalities
    assert wrapped.fingerprint == tiny.fingerprint
    assert wrapped.name == "mine"


def test_what_cannot_be_wrapped_is_said_in_one_sentence(own):
    hf, processor = own
    with pytest.raises(UsageError, match="`hf` and `processor` of wrap"):
        tt.wrap(hf, processor.image_processor)
    with pytest.raises(UsageError, match="`hf` and `processor` of wrap"):
        tt.wrap(torch.nn.Linear(2, 2), processor)
    with pytest.raises(UnsupportedModelError, match="one for each modality"):
        tt.wrap(hf, SimpleNamespace(tokenizer=processor.tokenizer))
