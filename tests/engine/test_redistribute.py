"""Redistributed attention: what the paper says of each head and query, and the same with and without a cache."""

import math

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import Prompt, RedistributeAttention, Row, encode, generate, run
from trimtab.engine.local.kernels.redistribute_attention import RedistributeAttentionKernel
from trimtab.engine.local.place import Place
from trimtab.engine.receipt import Receipt
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.testing import picture, tiny_model

SINKS, STRENGTH, LEAST, MOST_SINK = (0, 8), 0.4, 0.15, 0.5


def edit(
    strength: float = STRENGTH, min_attention: float = 0.0, max_sink_share: float = 1.0, **changed
) -> RedistributeAttention:
    given = {"source": ("image",), "target": ("last", "generated"), "layers": (1, 2), "sinks": SINKS} | changed
    return RedistributeAttention(strength=strength, min_attention=min_attention, max_sink_share=max_sink_share, **given)


def rows(strength: float) -> list[Row]:
    return [Row(prompt_for(item), (edit(strength),)) for item in held_out_items()]


def test_attention_moves_as_the_paper_says(model: Model):
    prompt = encode(model, prompt_for(held_out_items()[0]))
    entry = Receipt().entry("redistribute", 1)
    kernel = RedistributeAttentionKernel(model, [0], [edit(STRENGTH, LEAST, MOST_SINK)], [prompt], entry)
    length = len(prompt)
    scores = 2 * torch.randn(1, 64, length, length)
    index = torch.arange(length)[None]
    change, _ = kernel.change(scores, index, index, Place(index, torch.tensor([length]), index))
    causal = torch.full((length, length), -math.inf).triu(1)
    before, after = ((s + causal).softmax(-1)[0, :, -1].double() for s in (scores, scores + change))
    sink = torch.zeros(length, dtype=torch.bool)
    sink[list(SINKS)] = True
    image = torch.zeros(length, dtype=torch.bool)
    image[prompt.spans["image"]] = True
    assert (sink & image).any(), "one sink must lie in the image for this test"
    moved = 0
    for head in range(64):
        old, new = before[head], after[head]
        looks, sinking = old[image].sum(), old[image & sink].sum()
        if looks < LEAST or sinking > MOST_SINK * looks:
            torch.testing.assert_close(new, old, atol=1e-6, rtol=1e-5)
            continue
        moved += 1
        torch.testing.assert_close(new[sink], (1 - STRENGTH) * old[sink], atol=1e-6, rtol=1e-4)
        receiving = image & ~sink
        share = old[receiving] / old[receiving].sum()
        torch.testing.assert_close(
            new[receiving], old[receiving] + STRENGTH * old[sink].sum() * share, atol=1e-6, rtol=1e-4
        )
        rest = ~image & ~sink
        torch.testing.assert_close(new[rest], old[rest], atol=1e-6, rtol=1e-4)
    assert 0 < moved < 64


def test_strength_zero_changes_nothing_but_rounding_and_more_does(model: Model):
    plain = run(model, [row.prompt for row in rows(0.0)]).logits  # pyright: ignore
    assert (run(model, rows(0.0)).logits - plain).abs().max() < 1e-5 * plain.abs().max()
    assert (run(model, rows(1.0)).logits - plain).abs().max() > 1e-4


def test_cached_equals_uncached_and_a_batch_equals_single_rows(model: Model):
    asked = [*rows(0.5), *rows(1.0)]
    fast, slow = run(model, asked).logits, run(model, asked, reuse=False).logits
    assert (fast - slow).abs().max() < 1e-5 * slow.abs().max()
    single = torch.cat([run(model, [row]).logits for row in asked])
    assert (fast - single).abs().max() < 1e-5 * slow.abs().max()
    cached, plain = (generate(model, asked[::3], max_new_tokens=3, reuse=reuse).tokens for reuse in (True, False))
    assert cached == plain


@pytest.mark.parametrize("bad", [{"strength": 1.5}, {"min_attention": -0.1}, {"max_sink_share": 2.0}])
def test_shares_outside_of_0_to_1_are_refused(model: Model, bad: dict):
    with pytest.raises(UsageError, match="0..1"):
        run(model, [Row(prompt_for(held_out_items()[0]), (edit(**bad),))])


@pytest.mark.parametrize("family", ["gemma3", "gemma4", "aya_vision", "cohere2_vision", "paligemma", "llava"])
def test_shares_are_of_what_the_layer_itself_sees(family: str):
    """In windows, and where tokens of a picture see each other: each layer beside its own attention without edits."""
    model = tiny_model(family, check=False)
    model.hf.set_attn_implementation("eager")
    prompt = Prompt("What is it that you see here, and where does it stand, and why?", [picture(0)])
    image = torch.tensor(list(encode(model, prompt).spans["image"]))
    sinks = sorted({0, int(image[0])})
    receiving = image[1:]
    for layer in range(model.n_layers):
        changed = edit(STRENGTH, layers=(layer,), sinks=tuple(sinks), target=("all",))
        before, after = (attention(model, Row(prompt, edits), layer) for edits in ((), (changed,)))
        on_sinks, on_rest = before[..., sinks].sum(-1, keepdim=True), before[..., receiving].sum(-1, keepdim=True)
        moves = (on_sinks > 1e-6) & (on_rest > 1e-6)
        expected = before.clone()
        expected[..., sinks] *= 1 - STRENGTH
        expected[..., receiving] *= 1 + STRENGTH * on_sinks / on_rest.clamp_min(1e-6)
        torch.testing.assert_close(after, torch.where(moves, expected, before), atol=1e-5, rtol=1e-4)
        assert moves.any()


def attention(model: Model, row: Row, layer: int) -> torch.Tensor:
    """The weights that a layer's own attention returns, ``(1, heads, queries, keys)``."""
    found = []
    handle = model.attentions[layer].register_forward_hook(lambda _m, _args, output: found.append(output[1].double()))
    try:
        run(model, [row], reuse=False)
    finally:
        handle.remove()
    return found[-1]
