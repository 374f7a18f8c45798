"""A fleet without Ray: its workers are this process, calls and results travel as bytes, and end in another order."""

import pickle
from typing import Any

import pytest
import torch

import trimtab as tt
from tests.conflicts import make_items
from trimtab.contribution import MCS
from trimtab.engine import Engine, Fleet, Read, Row, generate, run
from trimtab.engine.fleets import work
from trimtab.engine.fleets.pieces import pieces_of
from trimtab.engine.local.engine import LocalEngine
from trimtab.errors import NotFiniteError, NothingEditedError, UnsupportedEngineError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.testing import tiny_model


class Here:
    """Does calls in this process, the last one first."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.calls = engine, 0

    def __len__(self) -> int:
        return 1

    def each(self, function: Any, calls: Any) -> Any:
        for place in reversed(range(len(calls))):
            self.calls += 1
            arguments = pickle.loads(pickle.dumps(calls[place]))
            yield place, pickle.loads(pickle.dumps(function(self.engine, *arguments)))


@pytest.fixture(scope="module")
def local() -> tt.Model:
    return tiny_model("llava", layers=2)


@pytest.fixture
def fleet(local) -> Fleet:
    engine = LocalEngine(local)
    return Fleet(Here(engine), work.facts_of(engine), 200)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def rows(local) -> list[Row]:
    """Each item's prompt, plain and steered, apart from each other in the list."""
    prompts = [prompt_for(item) for item in make_items("test", 5)]
    steered = tt.AddVector(1, torch.ones(local.hidden_size), strength=0.5)
    return [Row(prompt, edits) for edits in ((), (steered,)) for prompt in prompts]


def test_pieces_keep_rows_of_one_picture_together_and_cover_all(rows):
    pieces = pieces_of(rows, 200)
    assert sorted(place for piece in pieces for place in piece) == list(range(10))
    assert len(pieces) > 1
    assert all({place % 5 for place in piece} == {place - 5 for place in piece if place > 4} for piece in pieces)


def test_a_fleet_reads_and_answers_in_order_and_adds_up(fleet, local, rows):
    assert isinstance(fleet, Engine)
    read = Read(hidden=(1,))
    found, alone = run(fleet, rows, read), run(local, rows, read)
    torch.testing.assert_close(found.logits, alone.logits)
    torch.testing.assert_close(found.hidden[1], alone.hidden[1])
    assert found.cost.rows == alone.cost.rows
    assert [entry["rows"] for entry in found.receipt.table()] == [entry["rows"] for entry in alone.receipt.table()]
    every = run(fleet, rows, Read(at="all")).logits
    assert [len(own) for own in every] == [len(own) for own in run(local, rows, Read(at="all")).logits]
    told = generate(fleet, rows, max_new_tokens=3, first_logits=True)
    assert told.tokens == generate(local, rows, max_new_tokens=3).tokens
    assert told.first_logits is not None
    torch.testing.assert_close(told.first_logits, alone.logits)


def test_what_is_wrong_is_said(fleet, rows):
    with pytest.raises(UnsupportedEngineError, match="WEIGHTS"), tt.applied(fleet, rows[-1].edits):
        pass
    unseen = tt.AddVector(1, torch.ones(fleet.hidden_size), positions="generated_only")
    with pytest.raises(NothingEditedError):
        run(fleet, [Row(row.prompt, (unseen,)) for row in rows])
    with pytest.raises(UsageError, match="layer"):
        run(fleet, [Row(rows[0].prompt, (tt.AddVector(99, torch.ones(fleet.hidden_size)),))])
    with pytest.raises(NotFiniteError, match="of row 5 must") as caught, work.numbered([3, 5, 7]):
        raise NotFiniteError("`edits` of row 1 must leave", (1,))
    assert caught.value.rows == (5,)


def test_items_are_cut_by_their_cost_and_keep_their_order(fleet, local):
    assert fleet.cut([90, 90, 500, 90, 90, 90]) == [range(2), range(2, 3), range(3, 5), range(5, 6)]
    assert fleet.cut([]) == []
    items = make_items("test", 6)
    workers = [Here(LocalEngine(local)) for _ in range(2)]
    facts, method = work.facts_of(workers[0].engine), MCS(layers=(1,))
    fleets = [Fleet(own, facts, size) for own, size in zip(workers, (10_000, 700), strict=True)]  # pyright: ignore[reportArgumentType]
    found = [tt.measure(own, items, method=method) for own in fleets]
    assert [own.calls for own in workers] == [1, 6]
    assert [c.item_id for c in found[0]] == [c.item_id for c in found[1]] == [item.id for item in items]


def test_verbs_take_a_fleet(fleet, local):
    items = make_items("test", 18)
    measured = [tt.measure(engine, items) for engine in (fleet, local)]
    assert [c.item_id for c in measured[0]] == [item.id for item in items]
    for a, b in zip(*measured, strict=True):
        assert a.ratio == pytest.approx(b.ratio, rel=1e-3)
    method = tt.MeanDifference(target="image", layer=1)
    artifacts = [method.fit(engine, items) for engine in (fleet, local)]
    torch.testing.assert_close(artifacts[0].direction, artifacts[1].direction)
    found = [tt.evaluate(engine, items[:4], [artifacts[1]]).answers.drop(columns="model") for engine in (fleet, local)]
    assert found[0].equals(found[1])
