"""On a model whose circuit is known by construction, every tool finds it."""

from typing import Any

import pytest
import torch

from tests.circuits.conftest import PLANTED_TASK, planted_items
from trimtab.circuits import (
    Condition,
    Edge,
    HeadSet,
    build_cases,
    decompose,
    every_head,
    head_scores,
    how_many,
    knockout,
    lens,
    random_heads,
    read_out,
    top_heads,
    try_conditions,
)
from trimtab.circuits.flow import ANCHOR
from trimtab.studies.circuits.losses import following_lost
from trimtab.studies.kit.records import records
from trimtab.testing.planted_circuit import (
    IMAGE_TRANSFER_HEAD,
    INSTRUCTIONS,
    PREFERENCE_HEAD,
    READING_HEADS,
    ROUTING_HEAD,
    ROUTING_LAYER,
    TEXT_TRANSFER_HEAD,
    TRANSFER_LAYER,
    planted_circuit,
)

EDGES = (
    Edge("image to instruction", ("image",), ANCHOR),
    Edge("context to instruction", ("context",), ANCHOR),
    Edge("image to last", ("image",), ("last",)),
    Edge("instruction to last", ANCHOR, ("last",)),
)
CIRCUIT = {IMAGE_TRANSFER_HEAD, TEXT_TRANSFER_HEAD, *READING_HEADS, ROUTING_HEAD, PREFERENCE_HEAD}


def test_it_follows_both_instructions(planted, planted_cases):
    assert float(read_out(planted, planted_cases).rate()) == 1.0


def test_knockouts_peak_where_information_is_moved(planted, planted_cases):
    table = knockout(planted, planted_cases, EDGES, size=1)
    curves: Any = table.groupby(["edge", "target", "layer"])["effect"].mean()

    def peak(edge: str, target: str) -> tuple[int, float]:
        curve = curves[edge, target]
        return int(curve.abs().idxmax()), float(curve[curve.abs().idxmax()])

    assert peak("image to instruction", "image")[0] == TRANSFER_LAYER
    assert peak("image to instruction", "image")[1] < -0.3
    assert peak("context to instruction", "text")[0] == TRANSFER_LAYER
    assert peak("context to instruction", "text")[1] < -0.3
    assert peak("context to instruction", "image")[1] > 0  # without the competitor, following is easier
    assert peak("instruction to last", "image")[0] == ROUTING_LAYER
    assert curves["image to last"].abs().max() < 1e-4
    other_layers = [layer for layer in range(planted.n_layers) if layer != TRANSFER_LAYER]
    assert curves["image to instruction"].loc[:, other_layers].abs().max() < 1e-4


def test_a_window_that_holds_both_reading_layers_hides_what_was_named(planted, planted_cases):
    table = knockout(planted, planted_cases, EDGES[3:], size=2).query("target == 'image'")
    change: Any = table.groupby("layer")["change"].mean()
    assert change[READING_HEADS[0][0]] < -1.0  # both readers cut: neither alone matters
    single: Any = knockout(planted, planted_cases, EDGES[3:], size=1).query("target == 'image'")
    assert abs(single.groupby("layer")["change"].mean()[READING_HEADS[0][0]]) < 0.1


@pytest.mark.parametrize("score", ["direct", "gradient", "causal", "patching"])
def test_every_score_ranks_the_routing_head_first(planted, planted_cases, score):
    scores = head_scores(planted, planted_cases, score)
    assert top_heads(scores.mean(), 1) == (ROUTING_HEAD,)
    assert scores.role(ROUTING_HEAD) == ("router" if scores.signed else "")


def test_roles_tell_a_preference_from_routing(planted, planted_cases):
    scores = head_scores(planted, planted_cases, "direct")
    assert scores.role(PREFERENCE_HEAD) == "text"
    everywhere = head_scores(planted, planted_cases, "causal", at=("all",))
    assert everywhere.role(IMAGE_TRANSFER_HEAD) == "image"
    assert everywhere.role(TEXT_TRANSFER_HEAD) == "text"


def test_the_lens_finds_both_answers_waiting_at_the_instruction_and_the_split_the_attention(planted, planted_cases):
    found: Any = (
        lens(planted, planted_cases).query("span == 'anchor'").groupby("layer")[["following", "competing"]].mean()
    )
    assert float(found.loc[TRANSFER_LAYER - 1].abs().max()) < 1e-3
    assert found.loc[TRANSFER_LAYER, "following"] == pytest.approx(found.loc[TRANSFER_LAYER, "competing"], rel=1e-3)
    assert found.loc[TRANSFER_LAYER, "following"] > 1.0
    parts = decompose(planted, planted_cases)
    assert float(parts.mlp.abs().max()) < 1e-5
    assert int(parts.attention.mean(0).argmax()) == ROUTING_LAYER
    assert torch.allclose(parts.total, read_out(planted, planted_cases).margins[:, 0], atol=1e-5)


def blocked(model, heads, scope="last"):
    return HeadSet.of(model, "image", heads, strength=-1.0, scope=scope)


@pytest.mark.parametrize("scope", ["last", "instruction+last", "all"])
def test_blocking_destroys_following_and_nothing_else(planted, planted_cases, scope):
    chosen = top_heads(head_scores(planted, planted_cases, "direct").mean(), how_many(24))
    drawn = random_heads([head for head in every_head(planted) if head not in CIRCUIT], chosen, seed=1)
    conditions = [Condition("intact"), Condition("blocked", blocked(planted, chosen, scope))]
    conditions.append(Condition("random 1", blocked(planted, drawn, scope)))
    table = try_conditions(planted, planted_items(8), conditions, PLANTED_TASK, max_new_tokens=2)
    rates: Any = table.groupby(["condition", "measure"])["correct"].mean()
    assert rates["intact", "image"] == rates["intact", "text"] == 1.0
    assert rates["blocked", "image"] == 0.0
    lost: Any = table.query("condition == 'blocked' and measure == 'image'")
    assert lost["opposite"].all()  # the preference decides, the model is not broken
    assert rates["random 1", "image"] == rates["random 1", "text"] == 1.0
    assert rates["blocked", "text only"] >= rates["intact", "text only"]
    lost_by = {row["condition"]: row for row in following_lost(records(table), ("image", "text"))}
    assert lost_by["blocked"]["lost"] == 1
    assert lost_by["random 1"]["lost"] == 0


def test_amplifying_repairs_a_weakened_router():
    weak = planted_circuit(routing=0.3)
    items = planted_items(6)
    cases = build_cases(weak, items, PLANTED_TASK)
    chosen = top_heads(head_scores(weak, cases, "direct").mean(), 1)
    conditions = [
        Condition("intact"),
        *(Condition(f"x{1 + s:g}", HeadSet.of(weak, "image", chosen, strength=s, scope="last")) for s in (1.0, 3.0)),
    ]
    rates: Any = (
        try_conditions(weak, items, conditions, PLANTED_TASK, max_new_tokens=2)
        .groupby(["condition", "measure"])["correct"]
        .mean()
    )
    assert chosen == (ROUTING_HEAD,)
    assert rates["intact", "image"] == 0.0
    assert rates["intact", "text"] == 1.0
    assert rates["x4", "image"] == rates["x4", "text"] == 1.0


def test_the_artifact_puts_the_instruction_in(planted):
    heads = HeadSet.of(planted, "image", (ROUTING_HEAD,), instruction=INSTRUCTIONS["image"], scope="last")
    row: Any = heads.rows(planted, planted_items(1))[0]
    assert row.prompt.instruction == INSTRUCTIONS["image"]
    assert row.edits[0].factor == 2.0
    assert heads.row(row.prompt, 0.0).edits == ()
