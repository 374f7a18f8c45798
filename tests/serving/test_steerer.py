"""Steering a step: tensors that are written before it, and receipts that are read after it."""

import json
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trimtab.engine import AddVector, Predictor, ReplaceHeads, ScaleHeads
from trimtab.errors import UsageError
from trimtab.serving.networks import Networks
from trimtab.serving.places import ServedEdit
from trimtab.serving.receipts import receipt
from trimtab.serving.rows import Chunk
from trimtab.serving.steered import Order, Part
from trimtab.serving.steerer import Steerer
from trimtab.serving.table import Room

HIDDEN, HEADS, WIDTH = 6, 3, 2
ROOM = Room(rows=16, slots=5, networks=2, units=6)
Ready = Callable[..., Steerer]


class Decoder:
    """The sizes of a model that is none."""

    name, n_layers, n_heads, head_dims, hidden_size = "none", 2, HEADS, (WIDTH, WIDTH), HIDDEN


def network(width: int, seed: int) -> Predictor:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((width, HIDDEN), (width,), (HIDDEN, width), (HIDDEN,))
    return Predictor(*(torch.randn(*shape, generator=generator) for shape in shapes))


def order(*edits: ServedEdit) -> Order:
    return Order((Part({"digest": "d"}, edits),))


def offer(name: str, *edits: ServedEdit) -> Any:
    return SimpleNamespace(name=name, unit=edits)


@pytest.fixture(params=(True, False), ids=("compiled", "eager"))
def ready(request: pytest.FixtureRequest) -> Ready:
    """Make a steerer that holds networks at layer 0; in a graph, or where a step does only what it needs."""

    def made(*networks: Predictor) -> Steerer:
        depths = {(kind, layer): 2 for kind in ("layer", "heads") for layer in range(2)}
        steerer = Steerer(depths, Decoder(), ROOM, torch.device("cpu"), compiled=request.param)
        for one in networks:
            steerer.networks[0].hold(one)
        return steerer

    return made


def through(steerer: Steerer, site: str, layer: int, output: torch.Tensor) -> torch.Tensor:
    for table in steerer.tables[site, layer]:
        output = table.changed(output)
    return output


def added(steerer: Steerer, states: torch.Tensor, layer: int = 0) -> torch.Tensor:
    """What is added to a layer's output."""
    return through(steerer, "layer", layer, states) - states


def receipt_of(steerer: Steerer, request: str) -> dict[str, Any] | None:
    """A request's receipt; its card must not have been told before."""
    told = steerer.told([request])
    if not told:
        return None
    counts, card = told[request]
    assert card is not None
    assert steerer.told([request])[request] == (counts, None)
    return receipt(card, counts)


def failed(steerer: Steerer, requests: Iterable[str]) -> list[str]:
    return [name for name, (_counts, card) in steerer.told(requests).items() if card and "error" in card]


def edits(told: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The edits of a receipt of one artifact."""
    assert told is not None
    (part,) = told["artifacts"]
    return part["edits"]


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


def test_slots_are_given_back_and_a_request_without_one_fails_alone(ready: Ready):
    steerer = ready()

    def wanted(_name: str) -> Order:
        return order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))

    names = [str(k) for k in range(ROOM.slots)]
    steerer.begin([Chunk(name, k, k + 1, 0, 3) for k, name in enumerate(names)], wanted)
    assert failed(steerer, names) == names[-1:]
    assert not added(steerer, torch.ones(5, HIDDEN))[-1].any()
    steerer.forget(())
    steerer.begin([Chunk("new", 0, 1, 0, 3)], wanted)
    assert failed(steerer, ["new"]) == []


def test_what_goes_wrong_with_one_request_is_its_own(ready: Ready):
    steerer, lost = ready(), network(2, 3)  # a network that nobody holds
    orders = {"bad": order(AddVector(0, lost)), "good": order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))}
    steerer.begin([Chunk("bad", 0, 4, 0, 4), Chunk("good", 4, 6, 0, 4)], orders.get)
    change = added(steerer, torch.ones(6, HIDDEN))
    assert not change[:4].any()
    assert change[4:].all()
    told = receipt_of(steerer, "bad")
    assert told is not None
    assert "steering failed" in told["error"]
    assert failed(steerer, ["good"]) == []


def test_a_step_that_fails_ends_its_requests_and_leaves_the_next_one_clean(ready: Ready):
    steerer = ready()
    orders = {"a": order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))}
    steerer.begin([Chunk("a", 0, 2, 0, 3)], orders.get)
    steerer.fail("no")
    steerer.refuse("new", "no")
    assert steerer.idle
    assert not added(steerer, torch.ones(2, HIDDEN)).any()
    steerer.begin([Chunk("a", 0, 1, 2, 3), Chunk("new", 1, 2, 0, 3)], orders.get)
    assert not added(steerer, torch.ones(2, HIDDEN)).any()
    assert [(receipt_of(steerer, name) or {})["error"] for name in ("a", "new")] == ["no", "no"]


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


def test_a_slot_in_another_hand_is_not_taken_for_the_one_before(ready: Ready):
    """Both requests compute their last prompt token alone, in one row, so that their steps look alike."""
    steerer, v = ready(), torch.ones(HIDDEN)
    orders = {"a": order(AddVector(0, v, 2.0, "last_prompt")), "b": order(AddVector(1, v, 3.0, "last_prompt"))}
    orders["c"] = order(AddVector(0, v, 5.0, "last_prompt"))
    states = torch.ones(2, HIDDEN)
    for name, wanted in (("a", [2.0, 0.0]), ("b", [0.0, 3.0]), ("c", [5.0, 0.0])):
        steerer.forget({"c2"})
        orders["c2"] = orders["c"]
        steerer.begin([Chunk("c2", 0, 1, 3, 4), Chunk(name, 1, 2, 3, 4)], orders.get)
        assert [float(added(steerer, states, layer)[1, 0]) for layer in (0, 1)] == wanted
        assert float(added(steerer, states)[0, 0]) == 5.0
        steerer.end()


def test_more_edits_of_a_layer_than_there_is_room_for_are_refused(ready: Ready):
    steerer, v = ready(), torch.ones(HIDDEN)
    orders = {"a": order(*[AddVector(0, v, 1.0, "all")] * 3), "b": order(AddVector(0, v, 1.0, "all"))}
    steerer.begin([Chunk("a", 0, 2, 0, 2), Chunk("b", 2, 4, 0, 2)], orders.get)
    assert added(steerer, torch.ones(4, HIDDEN)).sum(1).tolist() == [0, 0, HIDDEN, HIDDEN]
    assert "made room for 2 edits" in (receipt_of(steerer, "a") or {})["error"]
    assert failed(steerer, ["b"]) == []


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


def test_a_layer_has_room_for_so_many_networks():
    held = Networks(ROOM, HIDDEN, torch.device("cpu"))
    one, two, three = network(2, 1), network(3, 2), network(1, 3)
    held.hold(one)
    held.hold(two)
    with pytest.raises(UsageError, match="room that the server made at its start"):
        held.hold(three)
    held.drop(one)
    held.hold(three)
    assert {held.number(two), held.number(three)} == {0, 1}


def test_an_artifact_for_which_there_is_no_room_leaves_nothing_behind():
    """It is refused at its second layer, and the room of its first is free again."""
    room = Room(rows=4, slots=2, networks=1, units=3)
    steerer = Steerer({("layer", 0): 1, ("layer", 1): 1}, Decoder(), room, torch.device("cpu"))
    steerer.hold(offer("other", AddVector(1, network(3, 0), 1.0, "from_last_prompt")))
    wide = [AddVector(layer, network(3, 1 + layer), 1.0, "from_last_prompt") for layer in (0, 1)]
    with pytest.raises(UsageError, match="must fit into the room"):
        steerer.hold(offer("refused", *wide))
    steerer.hold(offer("next", AddVector(0, network(3, 5), 1.0, "from_last_prompt")))


def test_a_network_is_never_taken_for_another_that_is_gone():
    """Python gives the identity of an object that is gone to the next one."""
    held = Networks(Room(rows=4, slots=2, networks=2, units=6), HIDDEN, torch.device("cpu"))
    held.hold(network(3, 0))
    states = torch.ones(1, HIDDEN)
    for seed in range(1, 30):
        one = network(3, seed)
        held.hold(one)
        found = held.predict(states, torch.tensor([held.number(one)]))
        torch.testing.assert_close(found, one(states))
        held.drop(one)
        del one


def test_logits_without_finite_numbers_end_a_steered_request_and_no_other(ready: Ready):
    steerer = ready()
    orders = {"steered": order(AddVector(0, torch.ones(HIDDEN), 1.0, "all")), "plain": None}
    steerer.begin([Chunk("steered", 0, 2, 0, 2), Chunk("plain", 2, 4, 0, 2)], orders.get)
    added(steerer, torch.ones(4, HIDDEN))
    steerer.end()
    logits = torch.zeros(2, 5)
    steerer.check(["plain", "steered"], logits)
    assert "error" not in (steerer.told(["steered"])["steered"][1] or {})
    logits[:, 3] = torch.nan
    steerer.check(["plain", "steered"], logits)
    told = steerer.told(["steered", "plain"])
    assert set(told) == {"steered"}
    assert "logits are beyond what the server's numbers can hold" in told["steered"][1]["error"]  # pyright: ignore


def test_what_is_told_of_a_change_that_is_not_finite_can_be_written_as_json(ready: Ready):
    steerer = ready()
    steerer.begin([Chunk("a", 0, 2, 0, 2)], lambda _name: order(AddVector(0, torch.ones(HIDDEN), 1.0, "all")))
    added(steerer, torch.full((2, HIDDEN), torch.inf))
    for table in steerer.tables["layer", 0]:
        table.sizes.fill_(torch.inf)
    steerer.end()
    told = receipt_of(steerer, "a")
    assert told is not None
    assert "can hold" in told["error"]
    assert edits(told)[0]["relative_change"] is None
    json.dumps(told, allow_nan=False)
