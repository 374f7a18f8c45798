"""Beginning at the first edited layer gives what whole passes give."""

import sys
from typing import Any, cast

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import AddVector, BlockAttention, BoostAttention, Prompt, Readings, Row, ScaleHeads, run
from trimtab.engine.local import late
from trimtab.items.prompts import prompt_for
from trimtab.models import Model


def sweep(model: Model, prompts: list[Prompt]) -> list[Row]:
    """Every prompt unedited, and edited in every way at every layer."""
    rows = [Row(prompt) for prompt in prompts]
    vector = torch.randn(model.hidden_size)
    for prompt in prompts:
        for layer in range(model.n_layers):
            rows += [
                Row(prompt, (AddVector(layer, vector),)),
                Row(prompt, (ScaleHeads(layer, (1,), ("last",)), AddVector(model.n_layers - 1, vector))),
                Row(prompt, (BlockAttention(("question",), ("last",), (layer,)),)),
                Row(prompt, (BoostAttention(("image",), ("last",), (layer,), 0.5),)),
            ]
    return rows


def by_edit(readings: Readings) -> list[dict[str, Any]]:
    """The receipt's lines, numbers and all, in an order of their own."""
    lines = sorted(readings.receipt.table(), key=lambda line: (line["layer"], line["edit"]))
    return [{**line, "edit": 0, line["edit"]: 1} for line in lines]  # approx takes numbers alone


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The starts of the batches that began late."""
    module, seen = sys.modules["trimtab.engine.local.running"], []

    def spy(model: Model, batch: Any, starts: list[int]) -> torch.Tensor:
        seen.append(list(starts))
        return late.late_tails(model, batch, starts)

    monkeypatch.setattr(module, "late_tails", spy)
    return seen


def test_a_sweep_equals_whole_passes_and_computes_fewer_layers(model: Model, began: list[list[int]]):
    rows = sweep(model, [prompt_for(item) for item in held_out_items()[:3]])
    fast, slow = run(model, rows), run(model, rows, reuse=False)
    torch.testing.assert_close(fast.logits, slow.logits, atol=1e-5, rtol=1e-5)
    for one, other in zip(by_edit(fast), by_edit(slow), strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    assert began
    assert {start for batch in began for start in batch} == set(range(model.n_layers + 1))


def test_a_model_with_layers_that_attend_differently_runs_whole(
    model: Model, began: list[list[int]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(type(model), "can_begin_late", False)
    run(model, sweep(model, [prompt_for(held_out_items()[0])]))
    assert not began


def test_layers_are_put_back_after_an_exception(model: Model, monkeypatch: pytest.MonkeyPatch):
    decoder = cast(Any, model.decoder)
    before = list(decoder.layers)
    rows = sweep(model, [prompt_for(held_out_items()[0])])

    def fails(*_args: Any, **_kwargs: Any) -> None:
        raise KeyError("inside")

    handle = model.layers[-1].register_forward_pre_hook(fails)
    try:
        with pytest.raises(KeyError):
            run(model, rows)
    finally:
        handle.remove()
    assert list(decoder.layers) == before


def test_rows_begin_together_where_a_call_costs_more_than_their_positions():
    starts = [3, 0, 1, 2, 4, 1]  # of a model of four layers; 4 is a row without edits
    alone = {0: [1], 1: [2, 5], 2: [3], 3: [0], 4: [4]}
    assert late.beginnings(starts, 4, worth=0.0) == alone
    assert late.beginnings(starts, 4, worth=1000.0) == {0: [1, 2, 5, 3, 0], 4: [4]}
    some = late.beginnings(starts, 4, worth=1.5)
    assert sorted(row for rows in some.values() for row in rows) == [0, 1, 2, 3, 4, 5]
    assert all(starts[row] >= start for start, rows in some.items() for row in rows)
    assert late.beginnings([4, 4], 4, worth=1.0) == {4: [0, 1]}


@pytest.mark.parametrize("worth", [0.0, 3.0, 1e6])
def test_together_or_alone_they_give_the_same(model: Model, worth: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(late, "WORTH", {"cpu": worth})
    rows = sweep(model, [prompt_for(item) for item in held_out_items()[:2]])
    torch.testing.assert_close(run(model, rows).logits, run(model, rows, reuse=False).logits, atol=1e-5, rtol=1e-5)
