"""Steering a step: tensors that are written before it, and receipts that are read after it."""

import pytest
import torch

from trimtab.engine import AddVector, Predictor, ReplaceHeads, ScaleHeads
from trimtab.errors import UsageError
from trimtab.serving.head_table import HeadTable
from trimtab.serving.places import ServedEdit
from trimtab.serving.rows import Chunk
from trimtab.serving.steerer import Order, Steerer
from trimtab.serving.table import Room
from trimtab.serving.vector_table import VectorTable

HIDDEN, HEADS, WIDTH = 6, 3, 2
ROOM = Room(rows=16, slots=5, networks=2, units=6)


class Decoder:
    """The sizes of a model that is none."""

    name, n_layers, n_heads, head_dims, hidden_size = "none", 2, HEADS, (WIDTH, WIDTH), HIDDEN


def network(width: int, seed: int) -> Predictor:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((width, HIDDEN), (width,), (HIDDEN, width), (HIDDEN,))
    return Predictor(*(torch.randn(*shape, generator=generator) for shape in shapes))


def order(*edits: ServedEdit) -> Order:
    return Order({"digest": "d"}, edits)


def ready(*networks: Predictor) -> Steerer:
    sites = [(kind, layer) for kind in ("layer", "heads") for layer in range(2)]
    steerer = Steerer(sites, Decoder(), ROOM, torch.device("cpu"))
    for one in networks:
        vectors(steerer).hold(one)
    return steerer


def vectors(steerer: Steerer, layer: int = 0) -> VectorTable:
    table = steerer.tables["layer", layer]
    assert isinstance(table, VectorTable)
    return table


def heads(steerer: Steerer, layer: int = 0) -> HeadTable:
    table = steerer.tables["heads", layer]
    assert isinstance(table, HeadTable)
    return table


def test_each_row_gets_its_own_requests_vector_and_no_other():
    steerer, v = ready(), torch.arange(6.0)
    orders = {
        "all": order(AddVector(0, v, 2.0, "all")),
        "last": order(AddVector(0, -v, 1.0, "from_last_prompt"), AddVector(1, v, 3.0, "generated_only")),
    }
    chunks = [Chunk("all", 0, 3, 0, 5), Chunk("plain", 3, 6, 0, 3), Chunk("last", 6, 10, 2, 5)]
    steerer.begin(chunks, orders.get)
    states = torch.ones(10, HIDDEN)
    first, second = (vectors(steerer, layer).change(states) for layer in (0, 1))
    wanted = torch.zeros(10, HIDDEN)
    wanted[0:3], wanted[8:10] = 2 * v, -v
    assert torch.equal(first, wanted)
    wanted = torch.zeros(10, HIDDEN)
    wanted[9] = 3 * v
    assert torch.equal(second, wanted)
    steerer.end()
    told = steerer.told(["all", "plain", "last"])
    assert set(told) == {"all", "last"}
    assert [e["prompt_positions"] for e in told["last"]["edits"]] == [1, 0]
    assert [e["generated_positions"] for e in told["last"]["edits"]] == [1, 1]
    assert told["all"]["edits"][0]["relative_change"] == pytest.approx(float((2 * v).norm() / HIDDEN**0.5))


def test_a_vector_is_predicted_at_the_last_prompt_token_and_kept():
    one, two = network(2, 1), network(3, 2)
    steerer = ready(one, two)
    orders = {"a": order(AddVector(0, one, 1.0)), "b": order(AddVector(0, two, 0.5, "generated_only"))}
    states = torch.randn(7, HIDDEN, generator=torch.Generator().manual_seed(0))
    steerer.begin([Chunk("a", 0, 4, 0, 4), Chunk("b", 4, 7, 1, 4)], orders.get)
    change = vectors(steerer).change(states)
    assert torch.allclose(change[3], one(states[3:4])[0], atol=1e-6)
    assert not change[4:].any()
    steerer.end()
    steerer.begin([Chunk("b", 0, 1, 4, 4), Chunk("a", 1, 2, 4, 4)], orders.get)
    change = vectors(steerer).change(torch.randn(2, HIDDEN))
    assert torch.allclose(change[0], 0.5 * two(states[6:7])[0], atol=1e-6)
    assert torch.allclose(change[1], one(states[3:4])[0], atol=1e-6)


def test_heads_are_scaled_and_replaced_row_by_row_beside_added_vectors():
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
    assert torch.equal(heads(steerer).changed(outputs), wanted)
    assert torch.equal(heads(steerer, 1).changed(outputs), outputs)
    assert torch.equal(vectors(steerer).change(torch.ones(7, HIDDEN)).sum(1), torch.tensor([0.0, 0, 12, 0, 0, 0, 0]))
    steerer.end()
    told = steerer.told(["scaled", "plain", "replaced"])
    assert [(e["edit"], e["prompt_positions"]) for e in told["scaled"]["edits"]] == [
        ("ScaleHeads(last+generated)", 1),
        ("AddVector(from_last_prompt)", 1),
    ]
    (edit,) = told["replaced"]["edits"]
    assert (edit["prompt_positions"], edit["generated_positions"]) == (1, 1)
    sizes = (wanted - outputs)[5:].norm(dim=-1) / outputs[5:].norm(dim=-1)
    assert edit["relative_change"] == pytest.approx(float(sizes.mean()))


def test_a_slot_keeps_no_heads_of_the_request_before():
    steerer = ready()
    orders = {
        "a": order(ReplaceHeads(0, (1,), ("all",), torch.ones(1, WIDTH))),
        "b": order(ScaleHeads(0, (0,), ("all",), 0.0)),
    }
    outputs = torch.ones(1, HEADS * WIDTH) * 4
    steerer.begin([Chunk("a", 0, 1, 0, 1)], orders.get)
    steerer.forget(())
    steerer.begin([Chunk("b", 0, 1, 0, 1)], orders.get)
    assert heads(steerer).changed(outputs)[0].tolist() == [0, 0, 4, 4, 4, 4]
    steerer.begin([Chunk("c", 0, 1, 0, 1)], orders.get)
    assert steerer.idle
    assert torch.equal(heads(steerer).changed(outputs), outputs)


def test_tokens_computed_again_are_counted_once_and_cached_ones_are_told():
    steerer, v = ready(), torch.ones(HIDDEN)
    orders = {"a": order(AddVector(0, v, 1.0, "all"))}
    for chunk in (Chunk("a", 0, 4, 2, 6), Chunk("a", 0, 1, 6, 6), Chunk("a", 0, 8, 0, 6)):
        steerer.begin([chunk], orders.get)
        vectors(steerer).change(torch.ones(chunk.end, HIDDEN))
        steerer.end()
    told = steerer.told(["a"])["a"]
    assert told["reused_positions"] == 2
    assert (told["edits"][0]["prompt_positions"], told["edits"][0]["generated_positions"]) == (4, 2)


def test_a_step_without_steering_is_idle_and_leaves_nothing_behind():
    steerer = ready()
    orders = {"a": order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))}
    steerer.begin([Chunk("a", 0, 4, 0, 4)], orders.get)
    assert not steerer.idle
    steerer.begin([Chunk("b", 0, 4, 0, 4)], orders.get)
    assert steerer.idle
    assert not vectors(steerer).change(torch.ones(4, HIDDEN)).any()


def test_slots_are_given_back_and_a_request_without_one_fails_alone():
    steerer = ready()

    def wanted(_name: str) -> Order:
        return order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))

    names = [str(k) for k in range(ROOM.slots)]
    steerer.begin([Chunk(name, k, k + 1, 0, 3) for k, name in enumerate(names)], wanted)
    told = steerer.told(names)
    assert [name for name in names if "error" in told[name]] == [names[-1]]
    assert not vectors(steerer).change(torch.ones(5, HIDDEN))[-1].any()
    steerer.forget(())
    steerer.begin([Chunk("new", 0, 1, 0, 3)], wanted)
    assert "error" not in steerer.told(["new"])["new"]


def test_what_goes_wrong_with_one_request_is_its_own():
    steerer, lost = ready(), network(2, 3)  # a network that nobody holds
    orders = {"bad": order(AddVector(0, lost)), "good": order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))}
    steerer.begin([Chunk("bad", 0, 4, 0, 4), Chunk("good", 4, 6, 0, 4)], orders.get)
    change = vectors(steerer).change(torch.ones(6, HIDDEN))
    assert not change[:4].any()
    assert change[4:].all()
    told = steerer.told(["bad", "good"])
    assert "steering failed" in told["bad"]["error"]
    assert "error" not in told["good"]


def test_a_step_that_fails_ends_its_requests_and_leaves_the_next_one_clean():
    steerer = ready()
    orders = {"a": order(AddVector(0, torch.ones(HIDDEN), 1.0, "all"))}
    steerer.begin([Chunk("a", 0, 2, 0, 3)], orders.get)
    steerer.fail("no")
    steerer.refuse("new", "no")
    assert steerer.idle
    assert not vectors(steerer).change(torch.ones(2, HIDDEN)).any()
    steerer.begin([Chunk("a", 0, 1, 2, 3), Chunk("new", 1, 2, 0, 3)], orders.get)
    assert not vectors(steerer).change(torch.ones(2, HIDDEN)).any()
    assert {name: told["error"] for name, told in steerer.told(["a", "new"]).items()} == {"a": "no", "new": "no"}


def test_a_layer_has_room_for_so_many_networks():
    table = vectors(ready())
    one, two, three = network(2, 1), network(3, 2), network(1, 3)
    table.hold(one)
    table.hold(two)
    with pytest.raises(UsageError, match="room that the server made at its start"):
        table.hold(three)
    table.drop(one)
    table.hold(three)
    assert {table.number(two), table.number(three)} == {0, 1}
