"""Models of three modalities: a family from outside of the package, and what is planted in it."""

from dataclasses import replace

import pytest
import torch

from trimtab.engine import BlockAttention, Prompt, Read, Row, ScaleHeads, encode, generate, run
from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.modalities import Modality
from trimtab.models import FAMILIES
from trimtab.testing import picture, planted_trio, planted_trio_circuit, sound, tiny_model, tiny_trio
from trimtab.testing.planted_circuit import COLOURS, CONTEXT, QUESTION, colour_picture
from trimtab.testing.trio import TRANSFER_HEADS, TRIO_INSTRUCTIONS, colour_sound


@pytest.fixture(scope="module")
def trio():
    return tiny_trio()


@pytest.fixture(scope="module")
def circuit():
    return planted_trio_circuit()


def prompts() -> list[Prompt]:
    context = "Two cats play with a ball in the garden."
    return [
        Prompt("What is it?", picture(1), context, media={"audio": [sound(1)]}),
        Prompt("Who is happy?", picture(1), context, media={"audio": [sound(1)]}),
        Prompt("What is it?", (picture(2), picture(3)), media={"audio": [sound(2, 0.6), sound(3, 1.4)]}),
        Prompt("What is it?", (), context, media={"audio": [sound(2)]}),
        Prompt("What is it?", picture(2), context),
    ]


def test_a_prompt_of_three_modalities_has_a_span_for_each(trio):
    encoded = encode(trio, prompts()[2])
    assert trio.modalities == ("image", "text", "audio")
    assert prompts()[0].modalities == trio.modalities
    assert [len(encoded.spans[kind]) for kind in ("image", "audio")] == [8, 3 + 6]
    assert [m.kind for m in encoded.media] == ["image", "image", "audio", "audio"]
    assert not len(encoded.spans["video"])
    for kind, token in trio.placeholders.items():
        assert (encoded.ids[encoded.spans[kind]] == token).all()


def test_the_fast_path_equals_the_model_itself(trio):
    rows = prompts() + [Row(p, (BlockAttention(("audio",), ("last",), layers=(1,)),)) for p in prompts()[:4]]
    read = Read(hidden=(1, 3))
    fast, plain = run(trio, rows, read), run(trio, rows, read, reuse=False)
    torch.testing.assert_close(fast.logits, plain.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast.hidden[3], plain.hidden[3], atol=1e-5, rtol=1e-5)
    assert fast.cost.tokens < plain.cost.tokens
    assert generate(trio, rows, max_new_tokens=4).tokens == generate(trio, rows, max_new_tokens=4, reuse=False).tokens


def test_prompts_that_sound_alike_share_and_others_do_not(trio):
    [first, same, *_] = prompts()
    assert encode(trio, first).media[1].key == encode(trio, same).media[1].key
    other = first.with_media("audio", [sound(7)])
    assert not torch.equal(run(trio, [first]).logits, run(trio, [other]).logits)


def test_a_modality_that_the_model_does_not_take_is_refused():
    with pytest.raises(UnsupportedModelError, match=r"modality that tiny-llava takes \(image, text\); got audio"):
        encode(tiny_model("llava"), prompts()[0])


def test_the_family_comes_from_outside_of_the_package():
    assert type(FAMILIES["tiny_trio"]).__module__ == "trimtab.testing.trio.family"


def mixture_logits(weights: dict[Modality, float], prompt: Prompt) -> torch.Tensor:
    return run(planted_trio(weights), [prompt]).logits[0]


def test_a_planted_mixture_is_the_sum_of_its_parts():
    [prompt, *_] = prompts()
    parts = [mixture_logits({m: 1.0}, prompt) for m in TRANSFER_HEADS]
    whole = mixture_logits({"image": 0.5, "text": 0.2, "audio": 0.3}, prompt)
    # The norm before the unembedding divides by the mark, which is the same for all.
    torch.testing.assert_close(whole, 0.5 * parts[0] + 0.2 * parts[1] + 0.3 * parts[2], atol=1e-2, rtol=1e-2)
    assert all(float(part.abs().max()) > 0.1 for part in parts)


@pytest.mark.parametrize(("modality", "other"), [("image", picture(9)), ("text", "A dog."), ("audio", sound(9))])
def test_at_weight_0_a_modality_cannot_reach_the_answer(modality, other):
    weights: dict[Modality, float] = {m: 0.5 for m in TRANSFER_HEADS if m != modality}
    [prompt, *_] = prompts()
    changed = replace(prompt, context=other) if modality == "text" else prompt.with_media(modality, [other])
    model = planted_trio(weights)
    assert torch.equal(run(model, [prompt]).logits, run(model, [changed]).logits)
    model = planted_trio({**weights, modality: 0.5})
    assert not torch.equal(run(model, [prompt]).logits, run(model, [changed]).logits)


@pytest.mark.parametrize("weights", [{}, {"image": 0.0}, {"image": -1.0, "text": 1.0}, {"video": 1.0}])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(UsageError, match="`weights` of planted_trio"):
        planted_trio(weights)


def coloured(image: str, text: str, audio: str, target) -> Prompt:
    media = {"audio": [colour_sound(audio)]}
    return Prompt(QUESTION, colour_picture(image), CONTEXT.format(text), TRIO_INSTRUCTIONS[target], media=media)


@pytest.mark.parametrize("target", ["image", "text", "audio"])
def test_the_planted_circuit_answers_from_the_modality_that_is_named(circuit, target):
    shifted = {m: COLOURS[i:] + COLOURS[:i] for i, m in enumerate(("image", "text", "audio"))}
    asked = [coloured(i, t, a, target) for i, t, a in zip(*shifted.values(), strict=True)]
    assert generate(circuit, asked, max_new_tokens=2).texts == list(shifted[target])


def test_silencing_a_modalitys_transfer_head_takes_its_answer_and_no_other(circuit):
    for silenced, (layer, head) in TRANSFER_HEADS.items():
        for target in TRANSFER_HEADS:
            prompt = coloured("red", "blue", "green", target)
            edit = ScaleHeads(layer, (head,), factor=0.0)
            [answer] = generate(circuit, [Row(prompt, (edit,))], max_new_tokens=2).texts
            expected = {"image": "red", "text": "blue", "audio": "green"}[target]
            assert (answer == expected) == (silenced != target), (silenced, target, answer)


def test_cutting_what_a_modality_says_takes_its_answer(circuit):
    prompt = coloured("red", "blue", "green", "audio")
    cut = BlockAttention(("audio",), ("instruction",), layers=(TRANSFER_HEADS["audio"][0],))
    [plain, blocked] = generate(circuit, [Row(prompt), Row(prompt, (cut,))], max_new_tokens=2).texts
    assert plain == "green"
    assert blocked != "green"
