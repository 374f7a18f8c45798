"""Attention over prefixes held once gives what attention over copies gives, and is used where rows are many."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.engine.prompts import varied_prompts
from trimtab.engine import AddVector, BlockAttention, BoostAttention, Prompt, Row, ScaleHeads, generate, run
from trimtab.engine.local import shared_attention
from trimtab.engine.local.whitebox import attention
from trimtab.models import Model

TOLERANCE = 1e-4


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Count the products made of rows and their prefixes."""
    seen, products = [], shared_attention._products

    def counted(query: torch.Tensor, *others: Any) -> torch.Tensor:
        seen.append(query.shape)
        return products(query, *others)

    monkeypatch.setattr(shared_attention, "_products", counted)
    return seen


def prompts() -> list[Prompt]:
    return [p for p in varied_prompts() if p.images and p.context][:2]


def heads(model: Model, prompt: Prompt, number: int) -> list[Row]:
    every = [(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]
    return [Row(prompt, (ScaleHeads(layer, (head,), ("last",)),)) for layer, head in every[:number]]


WAYS: dict[str, Callable[[Model], list[Row]]] = {
    "one prompt": lambda m: heads(m, prompts()[0], 12),
    "two prompts, unevenly": lambda m: [*heads(m, prompts()[0], 12), *heads(m, prompts()[1], 8)],
    "edges of some heads": lambda m: [
        Row(prompt, (BlockAttention(("image",), ("last",), (layer,), heads=heads),))
        for prompt in prompts()[:1]
        for layer in range(4)
        for heads in ((0,), (1, 3), None)
    ],
    "several tokens a row": lambda m: [
        Row(prompt, (BlockAttention(("context",), ("question", "last"), (layer,)),))
        for prompt in prompts()[:1]
        for layer in (0, 1)
        for _ in range(8)
    ],
}


@pytest.mark.parametrize("numbers", [2**26, 1])
@pytest.mark.parametrize("way", WAYS)
def test_it_equals_whole_passes(
    model: Model, calls: list[torch.Size], way: str, numbers: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shared_attention, "NUMBERS", numbers)  # at once, or row by row
    monkeypatch.setattr(shared_attention, "_few", lambda *_: True)  # whatever a copy would cost
    rows = WAYS[way](model)
    torch.testing.assert_close(
        run(model, rows).logits, run(model, rows, reuse=False).logits, atol=TOLERANCE, rtol=TOLERANCE
    )
    assert calls


def test_answers_at_many_strengths_are_those_of_whole_passes(model: Model, calls: list[torch.Size]):
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    rows = [Row(p, (AddVector(2, vector, 0.2 * s),)) for p in prompts() for s in range(8)]
    answers = generate(model, rows, max_new_tokens=6)
    assert answers.tokens == generate(model, rows, max_new_tokens=6, reuse=False).tokens
    assert calls


@pytest.mark.parametrize("why", ["few rows", "scores", "eager"])
def test_elsewhere_rows_have_copies(model: Model, calls: list[torch.Size], why: str):
    rows = heads(model, prompts()[0], 3 if why == "few rows" else 12)
    if why == "scores":
        rows = [Row(row.prompt, (BoostAttention(("image",), ("last",), (1,), 0.5),)) for row in rows]
    with attention(model, "eager" if why == "eager" else "sdpa"):
        run(model, rows)
    assert not calls
