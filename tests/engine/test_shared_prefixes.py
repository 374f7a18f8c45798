"""A prefix is computed once, however many batches its rows need, and shorter ones are the beginnings of longer ones."""

import pytest
import torch

from tests.engine.prompts import varied_prompts
from trimtab.engine import AddVector, BlockAttention, Encoded, Read, Row, ScaleHeads, encode, run
from trimtab.models import Model

TOLERANCE = 1e-4


def swept(model: Model, prompt: Encoded) -> list[Row]:
    """Heads at the last token, and windows that end in the instruction: two prefixes, one part of the other."""
    heads = [Row(prompt, (ScaleHeads(layer, (head,), ("last",)),)) for layer in range(4) for head in range(4)]
    windows = [Row(prompt, (BlockAttention(("image",), ("instruction",), (layer,)),)) for layer in range(4)]
    return [*heads, *windows]


def two(model: Model) -> tuple[Encoded, Encoded]:
    return encode(model, varied_prompts()[1]), encode(model, varied_prompts()[1].with_instruction("Look closely."))


def test_batches_of_one_prompt_compute_its_prefix_once(model: Model):
    prompt, _ = two(model)
    rows = swept(model, prompt)[:16]
    for size in (16, 5):
        assert run(model, rows, batch_size=size).cost.tokens == len(prompt) - 1 + len(rows)


def test_a_batch_that_holds_some_of_two_prompts_computes_both(model: Model):
    one, other = two(model)
    rows = [*swept(model, one)[:16], *swept(model, other)[:16]]
    found = run(model, rows, batch_size=5)
    assert found.cost.tokens <= 2 * (len(one) - 1 + len(other) - 1) + len(rows)
    torch.testing.assert_close(found.logits, run(model, rows, reuse=False).logits, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("size", [3, 64])
def test_beginnings_of_longer_prefixes_give_what_prefixes_of_their_own_would(model: Model, size: int):
    one, other = two(model)
    early = [Row(one, (AddVector(1, torch.ones(model.hidden_size), 0.5, "all"),))]
    rows = [*swept(model, other), *early, *swept(model, one)]
    found = run(model, rows, batch_size=size).logits
    torch.testing.assert_close(found, run(model, rows, reuse=False).logits, atol=TOLERANCE, rtol=0)


def test_what_is_read_of_a_middle_layer_needs_no_prefix_beyond_it(model: Model):
    prompts = [p for prompt in two(model) for p in (prompt, prompt)]
    deepest: list[int] = []
    handles = [
        layer.register_forward_hook(lambda *_, number=number: deepest.append(number))
        for number, layer in enumerate(model.layers)
    ]
    try:
        found = run(model, prompts, Read(logits=False, hidden=(1,))).hidden[1]
    finally:
        for handle in handles:
            handle.remove()
    plain = run(model, prompts, Read(logits=False, hidden=(1,)), reuse=False).hidden[1]
    torch.testing.assert_close(found, plain, atol=TOLERANCE, rtol=0)
    assert max(deepest, default=0) <= 1


def test_a_picture_is_computed_once_for_prompts_that_differ_in_what_follows(model: Model):
    prompts = [encode(model, p) for p in varied_prompts()[:2]]
    alone = encode(model, varied_prompts()[0].without("text"))
    rows = [*prompts, alone]
    found = run(model, rows)
    end = int(alone.spans["image"][-1]) + 1
    assert found.cost.tokens <= sum(map(len, rows)) - 2 * end < sum(map(len, rows))
    torch.testing.assert_close(found.logits, run(model, rows, reuse=False).logits, atol=TOLERANCE, rtol=0)
