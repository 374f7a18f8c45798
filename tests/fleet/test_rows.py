"""Rows over several workers: the same bytes as on one, the order kept, receipts and costs added up, errors as ever."""

import os
import signal
from pathlib import Path

import pytest
import torch

import trimtab as tt
from tests.conflicts import make_items
from trimtab.contribution import MCS, Shapley
from trimtab.engine import Capability, Engine, Read, Row, encode, generate, run
from trimtab.errors import NothingEditedError, UnsupportedEngineError, UsageError
from trimtab.items.prompts import prompt_for

STEERED = tt.AddVector(layer=1, direction=torch.ones(128), strength=0.5)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Each item's prompt, plain and steered, apart from each other in the list."""
    prompts = [prompt_for(item) for item in make_items("test", 8)]
    return [Row(prompt, edits) for edits in ((), (STEERED,)) for prompt in prompts]


class Counted:
    """Hears of tasks and of units."""

    def __init__(self):
        self.tasks = {}

    def task(self, name, total):
        from contextlib import nullcontext

        self.tasks[name] = [total, 0]

        def advance(n):
            self.tasks[name][1] += n

        return nullcontext(advance)


def test_a_fleet_is_an_engine(two, folder):
    model = tt.load(folder, dtype="float32")
    assert (two.fingerprint, two.n_layers, two.head_dims) == (model.fingerprint, model.n_layers, model.head_dims)
    assert len(two) == 2
    assert isinstance(two, Engine)
    prompt = prompt_for(make_items("test", 1)[0])
    encoded = two.encode(prompt)
    assert torch.equal(encoded.ids, encode(model, prompt).ids)
    assert torch.equal(run(two, encoded).logits, run(two, prompt).logits)
    assert two.detokenize(two.tokenize("a cat")) == "a cat"


def test_readings_of_two_workers_are_those_of_one(one, two, rows, folder):
    read = Read(hidden=(0, 1), heads=(1,))
    found, heard = [], Counted()
    for engine in (one, two):
        found.append(run(engine, rows, read, progress=heard))
    assert torch.equal(found[0].logits, found[1].logits)
    assert all(torch.equal(found[0].hidden[layer], found[1].hidden[layer]) for layer in (0, 1))
    assert torch.equal(found[0].heads[1], found[1].heads[1])
    assert found[0].receipt.table() == found[1].receipt.table()
    assert found[0].cost == found[1].cost
    assert found[0].cost.rows == len(rows)
    assert heard.tasks == {"read rows": [len(rows), len(rows)]}
    local = run(tt.load(folder, dtype="float32"), rows, read)
    torch.testing.assert_close(found[0].logits, local.logits)
    assert [entry["rows"] for entry in local.receipt.table()] == [entry["rows"] for entry in found[0].receipt.table()]
    everywhere = [run(engine, rows, Read(at="all")).logits for engine in (one, two)]
    assert all(torch.equal(a, b) for a, b in zip(*everywhere, strict=True))


def test_answers_of_two_workers_are_those_of_one(one, two, rows):
    sampled = tt.Decoding(temperature=1.0, seed=3)
    for how in (tt.Decoding(), sampled):
        found = [generate(engine, [*rows, *rows[:3]], max_new_tokens=3, decoding=how) for engine in (one, two)]
        assert found[0].tokens == found[1].tokens
        assert found[0].cost == found[1].cost
        again = found[0].tokens[:3] == found[0].tokens[len(rows) :]
        assert again == (how is not sampled)  # equal rows get samples of their own


def test_what_is_wrong_is_said_as_one_engine_says_it(two, rows):
    with pytest.raises(UnsupportedEngineError, match="WEIGHTS"), tt.applied(two, [STEERED]):
        pass
    with pytest.raises(UsageError, match="layer"):
        run(two, [Row(rows[0].prompt, (tt.AddVector(99, torch.ones(128)),))])
    unseen = tt.AddVector(1, torch.ones(128), positions="generated_only")
    with pytest.raises(NothingEditedError):
        run(two, [Row(row.prompt, (unseen,)) for row in rows])


def test_two_capabilities_travel(two):
    assert Capability.GRADIENTS not in two.capabilities
    assert two.map(gradients_here, ["a", "b", "c"]) == ["a True", "b True", "c True"]


@pytest.mark.parametrize("method", [Shapley(), MCS(layers=(1,))], ids=lambda m: m.name)
def test_contributions_of_two_workers_are_those_of_one(one, two, method):
    items, heard = make_items("test", 20), Counted()
    found = [tt.measure(engine, items, method=method, progress=heard) for engine in (one, two)]
    assert found[0].rows() == found[1].rows()
    assert [c.item_id for c in found[0]] == [item.id for item in items]
    assert heard.tasks["contribution"] == [20, 20]


def gradients_here(engine: Engine, item: str) -> str:
    return f"{item} {Capability.GRADIENTS in engine.capabilities}"


def die_once(_engine: Engine, item: tuple[int, Path]) -> int:
    """Kill the own process in the middle, the first time."""
    number, mark = item
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with mark.with_name(f"done-{number}").open("a") as file:
        file.write("x")
    return number


def die_always(_engine: Engine, _item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_replaced_and_its_piece_alone_is_done_again(two, tmp_path):
    assert two.map(die_once, [(number, tmp_path / "mark") for number in range(6)]) == list(range(6))
    assert [(tmp_path / f"done-{number}").read_text() for number in range(6)] == ["x"] * 6
