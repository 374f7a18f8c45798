"""Changed attention scores: what the papers say, nothing else, and the same with and without a cache."""

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import AddVector, BoostAttention, FlattenAttention, Read, Row, generate, run
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model

TOLERANCE = 1e-5


def rows(strength: float, at: tuple[str, ...] = ("last", "generated"), layers: tuple[int, ...] = (1, 2)) -> list[Row]:
    edit = BoostAttention(("image",), at, layers, strength)
    return [Row(prompt_for(item), (edit,)) for item in held_out_items()]


def test_strength_zero_changes_nothing_but_rounding(model: Model):
    plain = run(model, [row.prompt for row in rows(0.0)]).logits  # pyright: ignore
    assert (run(model, rows(0.0)).logits - plain).abs().max() < TOLERANCE * plain.abs().max()
    assert (run(model, rows(2.0)).logits - plain).abs().max() > 1e-3
    assert model.text_config._attn_implementation == "sdpa"


@pytest.mark.parametrize("at", [("last", "generated"), ("all",)])
def test_cached_equals_uncached_and_a_batch_equals_single_rows(model: Model, at: tuple[str, ...]):
    asked = [*rows(0.5, at), *rows(2.0, at)]
    fast, slow = run(model, asked).logits, run(model, asked, reuse=False).logits
    assert (fast - slow).abs().max() < TOLERANCE * slow.abs().max()
    cached, plain = (generate(model, asked[::3], max_new_tokens=3, reuse=reuse).tokens for reuse in (True, False))
    assert cached == plain


def test_the_scores_change_as_the_paper_says(model: Model):
    """At the last token the boosted softmax must give the heads' outputs that one computes by hand."""
    (row, *_), layer = rows(1.5, layers=(2,)), 2
    seen: dict[str, torch.Tensor] = {}
    from trimtab.engine.local import scores

    before = scores.attend

    def spy(module, query, key, value, mask, scaling, **kwargs):
        output, weights = before(module, query, key, value, mask, scaling, **kwargs)
        if module is model.attentions[layer]:
            groups = query.shape[1] // key.shape[1]
            seen["plain"] = (query @ key.repeat_interleave(groups, 1).transpose(2, 3) * scaling)[0, :, -1]
            assert weights is not None  # all queries attend at once
            seen["weights"] = weights[0, :, -1]
        return output, weights

    from transformers import AttentionInterface

    AttentionInterface.register(scores.SCORES, spy)
    try:
        run(model, [row], reuse=False)
    finally:
        AttentionInterface.register(scores.SCORES, before)
    from trimtab.engine import encode

    image = encode(model, row.prompt).spans["image"]  # pyright: ignore
    wanted = seen["plain"].clone()
    wanted[:, image] += 1.5 * wanted[:, image].abs()
    assert torch.allclose(seen["weights"], wanted.softmax(-1), atol=1e-5)


def test_flattened_attention_looks_at_all_keys_alike(model: Model):
    """With uniform attention at the first layer its heads put out the mean of the values, whatever was asked."""
    flat = FlattenAttention(("all",), ("all",), (0,), 1.0)
    prompts = [row.prompt for row in rows(0.0)]
    asked = [Row(prompt, (flat,)) for prompt in prompts]
    fast, slow = (run(model, asked, Read(logits=False, heads=(0,)), reuse=reuse).heads[0] for reuse in (True, False))
    assert torch.allclose(fast, slow, atol=1e-5)
    groups = model.n_heads // model.text_config.num_key_value_heads
    for head in range(0, model.n_heads, groups):  # heads that share their values now put out the same
        assert torch.allclose(fast[:, head], fast[:, head + groups - 1], atol=1e-5)


def test_boosts_and_vectors_share_a_batch(model: Model):
    vector = AddVector(1, torch.ones(model.hidden_size), 1.0)
    mixed = [Row(prompt_for(held_out_items()[0]), (vector,)), *rows(1.0)]
    fast, slow = run(model, mixed, Read()).logits, run(model, mixed, reuse=False).logits
    assert (fast - slow).abs().max() < TOLERANCE * slow.abs().max()


@pytest.mark.parametrize(
    "options",
    [
        {"source": ("nowhere",)},
        {"layers": ()},
        {"layers": (99,)},
        {"strength": float("nan")},
        {"target": ("nowhere",)},
    ],
)
def test_what_does_not_fit_is_refused(model: Model, options: dict):
    edit = BoostAttention(**{"source": ("image",), "target": ("last",), "layers": (0,), "strength": 1.0, **options})
    with pytest.raises(UsageError, match=next(iter(options))[:5]):
        edit.check(model)
