"""Spans are exact after the chat template, image expansion and tokenization."""

import pytest
import torch

from tests.engine.prompts import INSTRUCTION
from trimtab.engine import Prompt, encode
from trimtab.errors import UsageError
from trimtab.testing import picture


def text_of(model, encoded, span: str) -> str:
    return model.tokenizer.decode(encoded.ids[encoded.span(span)]).strip()


@pytest.mark.parametrize("placement", ["before_question", "after_question"])
@pytest.mark.parametrize("pictures", [0, 1, 2])
def test_each_span_decodes_to_its_own_text(model, placement, pictures):
    context = "a dog sleeps. What color is it? a dog sleeps."  # repeats the question on purpose
    images = tuple(picture(i, (56, 84)) for i in range(pictures))
    prompt = Prompt("What color is it?", images, context, INSTRUCTION, placement)
    encoded = encode(model, prompt)
    assert text_of(model, encoded, "context") == context
    assert text_of(model, encoded, "instruction") == INSTRUCTION
    assert text_of(model, encoded, "question") == f"What color is it? {prompt.request}"
    assert encoded.span("last").tolist() == [len(encoded) - 1]
    assert len(encoded.spans["image"]) == sum(p.n_tokens for p in encoded.media)
    assert torch.equal(encoded.spans["image"], (encoded.ids == model.placeholders["image"]).nonzero()[:, 0])


def test_spans_do_not_overlap(model):
    encoded = encode(model, Prompt("What is it?", (picture(),), "red sofa", INSTRUCTION))
    parts = [encoded.spans[s] for s in ("image", "context", "instruction", "question", "last")]
    joined = torch.cat(parts)
    assert len(joined) == len(joined.unique())


def test_order_is_image_context_instruction_question(model):
    encoded = encode(model, Prompt("What is it?", (picture(),), "red sofa", INSTRUCTION))
    firsts = [int(encoded.spans[s][0]) for s in ("image", "context", "instruction", "question", "last")]
    assert firsts == sorted(firsts)


def test_choices_are_lettered_and_part_of_the_question(model):
    encoded = encode(model, Prompt("Who is happy?", choices=("the dog", "the cat", "nobody")))
    text = text_of(model, encoded, "question")
    assert "A. the dog\nB. the cat\nC. nobody" in text
    assert text.endswith("Answer the question by selecting the correct answer A, B or C.")


def test_positions_equal_the_models_own(model):
    encoded = encode(model, Prompt("What is it?", (picture(0, (84, 56)), picture(1)), "red sofa"))
    seen = {}
    hook = model.decoder.register_forward_pre_hook(lambda _m, _a, kwargs: seen.update(kwargs), with_kwargs=True)
    try:
        model.hf(**model.family.native_inputs(model.hf, encoded.ids, encoded.media))
    finally:
        hook.remove()
    native = seen["position_ids"]
    native = torch.arange(len(encoded))[None] if native is None else native.reshape(-1, len(encoded))[-3:]
    assert torch.equal(encoded.positions, native)


def test_a_missing_span_is_named(model):
    with pytest.raises(UsageError, match="got 'context'"):
        encode(model, Prompt("What is it?")).span("context")


def test_an_empty_question_is_refused():
    with pytest.raises(UsageError, match="`question` of Prompt"):
        Prompt("  ")


def test_a_wrong_placement_is_refused():
    with pytest.raises(UsageError, match="before_question"):
        Prompt("What?", placement="somewhere")  # pyright: ignore[reportArgumentType]


def test_an_unknown_counterfactual_is_refused():
    with pytest.raises(UsageError, match="`image_counterfactual` of Prompt.*'flat'"):
        Prompt("What?", image_counterfactual="flat")  # pyright: ignore[reportArgumentType]


def test_a_counterfactual_changes_the_pictures_and_no_token(model):
    prompt = Prompt("What is it?", (picture(0, (84, 56)), picture(1)), "red sofa")
    plain, changed = encode(model, prompt), encode(model, prompt.with_image_counterfactual("shuffle"))
    assert torch.equal(plain.ids, changed.ids)
    assert torch.equal(plain.positions, changed.positions)
    assert all(p.weights is None for p in plain.media)
    assert all(p.weights is not None for p in changed.media)
    assert not {p.key for p in plain.media} & {p.key for p in changed.media}
