"""What there is no room for, and what fails: no other request and no later step is touched."""

import json

import pytest
import torch

from tests.serving.steerers import HIDDEN, ROOM, Decoder, Ready, added, edits, failed, network, offer, order, receipt_of
from trimtab.engine import AddVector
from trimtab.errors import UsageError
from trimtab.serving.networks import Networks
from trimtab.serving.rows import Chunk
from trimtab.serving.steered import Order
from trimtab.serving.steerer import Steerer
from trimtab.serving.table import Room


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
