"""Steering a step: tensors that are written before it, and receipts that are read after it."""

import pytest
import torch

from tests.serving.steerers import (
    HEADS,
    HIDDEN,
    ROOM,
    WIDTH,
    Decoder,
    Ready,
    added,
    edits,
    network,
    order,
    receipt_of,
    through,
)
from trimtab.engine import AddVector, ReplaceHeads, ScaleHeads
from trimtab.serving.rows import Chunk
from trimtab.serving.steered import Order, Part
from trimtab.serving.steerer import Steerer


def test_each_row_gets_its_own_requests_vector_and_no_other(ready: Ready):
    steerer, v = ready(), torch.arange(6.0)
    orders = {
        "all": order(AddVector(0, v, 2.0, "all")),
        "last": order(AddVector(0, -v, 1.0, "from_last_prompt"), AddVector(1, v, 3.0, "generated_only")),
    }
    chunks = [Chunk("all", 0, 3, 0, 5), Chunk("plain", 3, 6, 0, 3), Chunk("last", 6, 10, 2, 5)]
    steerer.begin(chunks, orders.get)
    states = torch.ones(10, HIDDEN)
    first, second = (added(steerer, states, layer) for layer in (0, 1))
    wanted = torch.zeros(10, HIDDEN)
    wanted[0:3], wanted[8:10] = 2 * v, -v
    assert torch.equal(first, wanted)
    wanted = torch.zeros(10, HIDDEN)
    wanted[9] = 3 * v
    assert torch.equal(second, wanted)
    steerer.end()
    assert receipt_of(steerer, "plain") is None
    told = {name: edits(receipt_of(steerer, name)) for name in ("all", "last")}
    assert [e["prompt_positions"] for e in told["last"]] == [1, 0]
    assert [e["generated_positions"] for e in told["last"]] == [1, 1]
    assert told["all"][0]["relative_change"] == pytest.approx(float((2 * v).norm() / HIDDEN**0.5))


def test_a_vector_is_predicted_at_the_last_prompt_token_and_kept(ready: Ready):
    one, two = network(2, 1), network(3, 2)
    steerer = ready(one, two)
    orders = {"a": order(AddVector(0, one, 1.0)), "b": order(AddVector(0, two, 0.5, "generated_only"))}
    states = torch.randn(7, HIDDEN, generator=torch.Generator().manual_seed(0))
    steerer.begin([Chunk("a", 0, 4, 0, 4), Chunk("b", 4, 7, 1, 4)], orders.get)
    change = added(steerer, states)
    assert torch.allclose(change[3], one(states[3:4])[0], atol=1e-6)
    assert not change[4:].any()
    steerer.end()
    steerer.begin([Chunk("b", 0, 1, 4, 4), Chunk("a", 1, 2, 4, 4)], orders.get)
    change = added(steerer, torch.randn(2, HIDDEN))
    assert torch.allclose(change[0], 0.5 * two(states[6:7])[0], atol=1e-6)
    assert torch.allclose(change[1], one(states[3:4])[0], atol=1e-6)


def test_heads_are_scaled_and_replaced_row_by_row_beside_added_vectors(ready: Ready):
    steerer, mean = ready(), torch.tensor([[5.0, 6.0]])
    orders = {
        "scaled": order(ScaleHeads(0, (0, 2), ("last", "generated"), 3.0), AddVector(0, torch.ones(HIDDEN), 2.0)),
        "replaced": order(ReplaceHeads(0, (1,), ("all",), mean)),
    }
    chunks = [Chunk("scaled", 0, 3, 0, 3), Chunk("plain", 3, 5, 0, 2), Chunk("replaced", 5, 7, 3, 4)]
    steerer.begin(chunks, orders.get)
    outputs = torch.randn(7, HEADS * WIDTH, generator=torch.Generator().manual_seed(0))
    wanted = outputs.clone()
    wanted[2, :2] *= 3
    wanted[2, 4:] *= 3
    wanted[5:, 2:4] = mean[0]
    assert torch.equal(through(steerer, "heads", 0, outputs), wanted)
    assert torch.equal(through(steerer, "heads", 1, outputs), outputs)
    assert torch.equal(added(steerer, torch.ones(7, HIDDEN)).sum(1), torch.tensor([0.0, 0, 12, 0, 0, 0, 0]))
    steerer.end()
    assert [(e["edit"], e["prompt_positions"]) for e in edits(receipt_of(steerer, "scaled"))] == [
        ("ScaleHeads(last+generated)", 1),
        ("AddVector(from_last_prompt)", 1),
    ]
    (edit,) = edits(receipt_of(steerer, "replaced"))
    assert (edit["prompt_positions"], edit["generated_positions"]) == (1, 1)
    sizes = (wanted - outputs)[5:].norm(dim=-1) / outputs[5:].norm(dim=-1)
    assert edit["relative_change"] == pytest.approx(float(sizes.mean()))


def test_a_slot_keeps_no_heads_of_the_request_before(ready: Ready):
    steerer = ready()
    orders = {
        "a": order(ReplaceHeads(0, (1,), ("all",), torch.ones(1, WIDTH))),
        "b": order(ScaleHeads(0, (0,), ("all",), 0.0)),
    }
    outputs = torch.ones(1, HEADS * WIDTH) * 4
    steerer.begin([Chunk("a", 0, 1, 0, 1)], orders.get)
    steerer.forget(())
    steerer.begin([Chunk("b", 0, 1, 0, 1)], orders.get)
    assert through(steerer, "heads", 0, outputs)[0].tolist() == [0, 0, 4, 4, 4, 4]
    steerer.begin([Chunk("c", 0, 1, 0, 1)], orders.get)
    assert steerer.idle
    assert torch.equal(through(steerer, "heads", 0, outputs), outputs)


def test_tokens_computed_again_are_counted_once_and_cached_ones_are_told(ready: Ready):
    steerer, v = ready(), torch.ones(HIDDEN)
    orders = {"a": order(AddVector(0, v, 1.0, "all"))}
    for chunk in (Chunk("a", 0, 4, 2, 6), Chunk("a", 0, 1, 6, 6), Chunk("a", 0, 8, 0, 6)):
        steerer.begin([chunk], orders.get)
        added(steerer, torch.ones(chunk.end, HIDDEN))
        steerer.end()
    told = receipt_of(steerer, "a")
    assert told is not None
    assert told["reused_positions"] == 2
    assert (edits(told)[0]["prompt_positions"], edits(told)[0]["generated_positions"]) == (4, 2)


def test_a_step_without_steering_is_idle_and_leaves_nothing_behind(ready: Ready):
    steerer = ready()
    orders = {"a": order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))}
    steerer.begin([Chunk("a", 0, 4, 0, 4)], orders.get)
    assert not steerer.idle
    steerer.begin([Chunk("b", 0, 4, 0, 4)], orders.get)
    assert steerer.idle
    assert not added(steerer, torch.ones(4, HIDDEN)).any()


def test_a_step_whose_requests_are_steered_elsewhere_is_idle(ready: Ready):
    one = network(2, 1)
    steerer = ready(one)
    orders = {
        "heads": order(ScaleHeads(0, (0,), ("last",), 2.0)),
        "generated": order(AddVector(0, one, 1.0, "generated_only")),
    }
    steerer.begin([Chunk("heads", 0, 2, 0, 4), Chunk("generated", 2, 4, 0, 4)], orders.get)
    assert steerer.idle
    steerer.begin([Chunk("heads", 0, 2, 2, 4)], orders.get)
    assert not steerer.idle
    steerer.begin([Chunk("generated", 0, 2, 2, 4)], orders.get)
    assert not steerer.idle  # the last prompt token predicts what is added later
    steerer.begin([Chunk("heads", 0, 1, 4, 4)], orders.get)
    assert steerer.idle


def test_a_plan_of_a_request_that_ended_never_acts_on_rows_of_others(ready: Ready):
    steerer = ready()
    orders = {
        "a": order(ScaleHeads(0, (0,), ("last",), 2.0)),
        "b": order(AddVector(0, torch.ones(HIDDEN), 1.0, "generated_only")),
    }
    steerer.begin([Chunk("a", 0, 1, 3, 4)], orders.get)
    steerer.end()
    steerer.begin([Chunk("a", 0, 1, 4, 4)], orders.get)  # touches nothing any more
    steerer.forget(())
    steerer.begin([Chunk("plain", 0, 1, 0, 4), Chunk("b", 1, 5, 0, 4)], orders.get)  # in the same slot, nothing yet
    assert not added(steerer, torch.ones(5, HIDDEN)).any()
    steerer.end()
    steerer.begin([Chunk("b", 0, 1, 4, 4)], orders.get)
    assert added(steerer, torch.ones(1, HIDDEN)).all()
    steerer.end()
    told = receipt_of(steerer, "b")
    assert edits(told)[0]["relative_change"] == pytest.approx(1.0)


def test_steps_alike_keep_their_terms(monkeypatch: pytest.MonkeyPatch):
    steerer = Steerer({("layer", 0): 1}, Decoder(), ROOM, torch.device("cpu"), compiled=False)
    (table,) = steerer.tables["layer", 0]
    made, original = [], table.terms
    monkeypatch.setattr(table, "terms", lambda *given: made.append(1) or original(*given))
    wanted = order(AddVector(0, torch.ones(HIDDEN), 1.0, "generated_only"))
    for token in range(4, 8):
        steerer.begin([Chunk("a", 0, 1, token, 4)], lambda _name: wanted)
        assert added(steerer, torch.ones(1, HIDDEN)).all()
        steerer.end()
    assert len(made) == 1


def test_edits_of_one_layer_act_in_turn_each_on_what_the_one_before_left(ready: Ready):
    one, two, v = network(2, 1), network(3, 2), torch.ones(HIDDEN)
    steerer = ready(one, two)
    first = Part({"digest": "a"}, (AddVector(0, v, 2.0, "all"),))
    second = Part({"digest": "b"}, (AddVector(0, two, 0.5), AddVector(1, v, 1.0)))
    orders = {"a": Order((first, second)), "b": Order((second, first)), "c": order(AddVector(0, one))}
    states = torch.randn(6, HIDDEN, generator=torch.Generator().manual_seed(0))
    steerer.begin([Chunk("a", 0, 2, 0, 2), Chunk("b", 2, 4, 0, 2), Chunk("c", 4, 6, 0, 2)], orders.get)
    found = added(steerer, states)
    wanted = torch.zeros(6, HIDDEN)
    wanted[:4] = 2 * v
    wanted[1] += 0.5 * two(states[1:2] + 2 * v)[0]
    wanted[3] += 0.5 * two(states[3:4])[0]
    wanted[5] = one(states[5:6])[0]
    assert torch.allclose(found, wanted, atol=1e-5)
    steerer.end()
    told = receipt_of(steerer, "a")
    assert told is not None
    assert [(part["digest"], [e["layer"] for e in part["edits"]]) for part in told["artifacts"]] == [
        ("a", [0]),
        ("b", [0, 1]),
    ]
    assert [e["prompt_positions"] for part in told["artifacts"] for e in part["edits"]] == [2, 1, 1]
    assert steerer.in_use("b")


def test_heads_are_edited_at_the_question(ready: Ready):
    steerer = ready()
    edit = ScaleHeads(0, (0, 1, 2), ("instruction", "question", "last", "generated"), 2.0)
    orders = {"a": Order((Part({"digest": "d"}, (edit,)),), named=[(1, 2), (3, 4)])}
    steerer.begin([Chunk("a", 0, 8, 0, 7)], orders.get)
    outputs = torch.ones(8, HEADS * WIDTH)
    assert through(steerer, "heads", 0, outputs)[:, 0].tolist() == [1, 2, 1, 2, 1, 1, 2, 2]
    steerer.end()
    (told,) = edits(receipt_of(steerer, "a"))
    assert (told["prompt_positions"], told["generated_positions"]) == (3, 1)
