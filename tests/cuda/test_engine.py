"""The engine on a GPU: its fast path is the plain reference, in every type, for every edit and every way of asking."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import trimtab as tt
from tests.cuda.conftest import POCKET, TINY, model_on
from tests.engine.prompts import varied_prompts
from trimtab.engine import BoostAttention, FlattenAttention, Predictor, RedistributeAttention
from trimtab.engine.local.whitebox import attention

TOLERANCES = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference between two ways of computing the same, as a share of the largest number compared.

A half-precision number has 11 or 8 bits, and some ten layers of sums, taken in another order, lose about four of them.
"""

LATE = ("last", "generated")


def vector(model: tt.Model, seed: int = 0) -> torch.Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(seed))


def predictor(model: tt.Model) -> Predictor:
    g = torch.Generator().manual_seed(1)
    size = model.hidden_size
    sizes = ((8, size), (8,), (size, 8), (size,))
    return Predictor(*(torch.randn(s, generator=g) / 4 for s in sizes))


EDITS: dict[str, Callable[[tt.Model, float], Any]] = {
    "vector at all": lambda m, s: tt.AddVector(1, vector(m), 2 * s, "all"),
    "vector from last": lambda m, s: tt.AddVector(-2, vector(m), 2 * s),
    "predicted vector": lambda m, s: tt.AddVector(2, predictor(m), 2 * s),
    "scaled heads": lambda m, s: tt.ScaleHeads(1, (0, 3), LATE, 1 + s),
    "boost": lambda m, s: BoostAttention(("image",), LATE, (1, 2), s),
    "flatten": lambda m, s: FlattenAttention(("all",), ("all",), (1,), s),
    "redistribute": lambda m, s: RedistributeAttention(("image",), LATE, (1, 2), s, (0, 8), 0.0, 1.0),
}
"""Edits of a strength; 0 changes nothing."""

WITHOUT_STRENGTH: dict[str, Callable[[tt.Model], Any]] = {
    "replaced heads": lambda m: tt.ReplaceHeads(1, (0,), LATE, torch.ones(1, m.head_dim)),
    "blocked edges": lambda m: tt.BlockAttention(("context",), LATE, (1, 2)),
    "blocked edges of heads": lambda m: tt.BlockAttention(("image",), ("all",), (0, -1), heads=(1, 2)),
}


def asked(model: tt.Model) -> list[tt.Row]:
    """Every prompt plain, and those with a picture and a context under every edit."""
    prompts = varied_prompts()
    edits = [make(model, 1.0) for make in EDITS.values()] + [make(model) for make in WITHOUT_STRENGTH.values()]
    counterfactual = [tt.Row(p.with_image_counterfactual("shuffle")) for p in prompts if p.images]
    return [*map(tt.Row, prompts), *counterfactual, *[tt.Row(p, (e,)) for p in prompts[:3] for e in edits]]


def assert_close(got: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(got, expected, atol=tolerance * max(1.0, float(expected.abs().max())), rtol=0)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("name", [*TINY, *POCKET])
def test_fast_path_equals_plain_reference(name: str, dtype: torch.dtype):
    model, tolerance = model_on(name, dtype=dtype), TOLERANCES[dtype]
    rows, read = asked(model), tt.Read(hidden=(0, -1), heads=(1,))
    fast, plain = tt.run(model, rows, read), tt.run(model, rows, read, reuse=False)
    assert model.device.type == "cuda"
    assert model.dtype == dtype
    assert fast.logits.device.type == "cpu"
    assert fast.cost.tokens < plain.cost.tokens
    assert_close(fast.logits, plain.logits, tolerance)
    for ours, theirs in ((fast.hidden, plain.hidden), (fast.heads, plain.heads)):
        for layer in theirs:
            assert_close(ours[layer], theirs[layer], tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", [*TINY, *POCKET])
def test_the_fast_path_is_no_further_from_float32_than_the_plain_one(name: str, dtype: torch.dtype):
    model = model_on(name, dtype=dtype)
    rows = asked(model)
    exact = tt.run(model_on(name), asked(model_on(name)), reuse=False).logits
    fast, plain = (float((tt.run(model, rows, reuse=r).logits - exact).abs().mean()) for r in (True, False))
    assert fast < 1.25 * plain


@pytest.mark.parametrize("name", [*TINY, *POCKET])
def test_the_gpu_computes_what_the_cpu_does(name: str):
    here, there = model_on(name), model_on(name, "cpu")
    assert_close(tt.run(here, asked(here)).logits, tt.run(there, asked(there)).logits, 1e-3)
    assert here.fingerprint == there.fingerprint


def test_row_alone_equals_row_in_a_batch(tiny: tt.Model):
    rows = asked(tiny)
    together = tt.run(tiny, rows).logits
    assert_close(torch.cat([tt.run(tiny, row).logits for row in rows]), together, 1e-4)
    assert_close(tt.run(tiny, rows, batch_size=3).logits, together, 1e-4)


@pytest.mark.parametrize("name", [*TINY, *POCKET])
@pytest.mark.parametrize("decoding", [tt.Decoding(), tt.Decoding(temperature=0.9, top_k=12, top_p=0.9, seed=3)])
def test_answers_with_a_cache_equal_those_without(name: str, decoding: tt.Decoding):
    model = model_on(name)
    rows = asked(model)[::2]
    fast = tt.generate(model, rows, max_new_tokens=6, decoding=decoding)
    plain = tt.generate(model, rows, max_new_tokens=6, decoding=decoding, reuse=False)
    assert fast.tokens == plain.tokens
    assert fast.finished == plain.finished
    assert fast.receipt.positions == plain.receipt.positions
    assert fast.tokens == tt.generate(model, rows, max_new_tokens=6, decoding=decoding, batch_size=3).tokens


def test_a_seed_draws_the_same_answers_again_and_on_the_cpu(tiny: tt.Model):
    prompts = [varied_prompts()[0]] * 4

    def draw(model: tt.Model, seed: int) -> list[list[int]]:
        return tt.generate(model, prompts, max_new_tokens=6, decoding=tt.Decoding(temperature=1.2, seed=seed)).tokens

    assert draw(tiny, 1) == draw(tiny, 1) == draw(model_on(tiny.name, "cpu"), 1)
    assert draw(tiny, 1) != draw(tiny, 2)
    assert len(set(map(tuple, draw(tiny, 1)))) == 4


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_acts_and_strength_zero_is_the_model_itself(tiny: tt.Model, edit: str):
    prompts = varied_prompts()[:3]
    plain, none, some = (
        tt.run(tiny, [tt.Row(p, edits) for p in prompts]).logits
        for edits in ((), (EDITS[edit](tiny, 0.0),), (EDITS[edit](tiny, 1.0),))
    )
    assert_close(none, plain, 1e-5)
    assert (some - plain).abs().amax(-1).min() > 1e-3


@pytest.mark.parametrize("edit", WITHOUT_STRENGTH)
def test_an_edit_without_a_strength_acts(tiny: tt.Model, edit: str):
    prompts = varied_prompts()[:3]
    plain, some = (tt.run(tiny, [tt.Row(p, e) for p in prompts]).logits for e in ((), (WITHOUT_STRENGTH[edit](tiny),)))
    assert (some - plain).abs().amax(-1).min() > 1e-3


def test_eager_attention_equals_sdpa(tiny: tt.Model):
    rows = asked(tiny)
    expected = tt.run(tiny, rows).logits
    with attention(tiny, "eager"):
        assert_close(tt.run(tiny, rows).logits, expected, 1e-4)
        assert_close(tt.run(tiny, rows, reuse=False).logits, expected, 1e-4)


def test_applied_edits_reach_the_models_own_generate(tiny: tt.Model):
    prompt, edit = varied_prompts()[0], tt.AddVector(1, 5 * vector(tiny), 1.0, "all")
    expected = tt.generate(tiny, tt.Row(prompt, (edit,)), max_new_tokens=5).tokens[0]
    native = tt.inputs(tiny, prompt)
    assert {t.device.type for t in native.values()} == {"cuda"}
    with tt.applied(tiny, [edit]):
        found: Any = tiny.hf.generate(**native, max_new_tokens=5, do_sample=False)  # pyright: ignore
    assert found[0, native["input_ids"].shape[1] :].tolist()[: len(expected)] == expected
