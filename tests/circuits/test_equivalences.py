"""Fast ways equal plain ones on tiny random models of every family."""

import math
from typing import Any

import pytest
import torch

from tests.circuits.conftest import tiny_items
from trimtab.circuits import Condition, HeadSet, decompose, head_scores, knockout, lens, perplexity, read_out
from trimtab.circuits.flow import EDGES, Edge, window
from trimtab.circuits.gradient import gradient_gates
from trimtab.circuits.heads import mean_outputs
from trimtab.circuits.readouts import intact, label, margin
from trimtab.data.prompts import prompt_for
from trimtab.engine import Prompt, Read, Row, ScaleHeads, encode, run

SCOPES = [("last",), ("instruction", "last"), ("all",)]


def test_direct_contributions_sum_to_the_exact_margin(model, cases):
    exact = read_out(model, cases).margins[:, 0]
    assert torch.allclose(decompose(model, cases).total, exact, atol=1e-4)
    raw = decompose(model, cases, norm="none")
    last = run(model, [c.prompt for c in cases], Read(hidden=(-1,))).hidden[-1]
    assert not torch.allclose(raw.total, exact, atol=1e-4)
    assert torch.isfinite(raw.total).all()
    assert len(last) == len(raw.total)


@pytest.mark.parametrize("at", SCOPES)
def test_the_gradient_gate_equals_the_finite_difference(model, cases, at):
    gradients, step = gradient_gates(model, cases, at), 1e-2
    for layer, head in ((0, 1), (2, 3), (3, 0)):

        def scaled(factor: float, layer: int = layer, head: int = head):
            return lambda _case: (ScaleHeads(layer, (head,), at, factor),)

        up, down = read_out(model, cases, [scaled(1 + step), scaled(1 - step)]).margins.T
        expected = (up - down) / (2 * step)
        assert torch.allclose(gradients[:, layer, head], expected, atol=5e-3 * max(1.0, float(expected.abs().max())))


def test_a_batched_sweep_equals_a_loop_of_plain_passes(model, cases):
    edge = Edge("image to instruction", ("image",), ("instruction", "question"))
    table: Any = knockout(model, cases[:2], [edge], size=2).set_index(["target", "layer"])
    for case in cases[:2]:
        before = run(model, [case.prompt], reuse=False).logits[0]
        for layer in range(model.n_layers):
            ends = edge.ends(case)
            assert ends is not None
            from trimtab.engine import BlockAttention

            edit = BlockAttention(*ends, window(layer, 2, model.n_layers))
            after = run(model, [Row(case.prompt, (edit,))], reuse=False).logits[0]
            row = table.loc[(case.target, layer)]
            assert row["change"] == pytest.approx(float(margin(after, case) - margin(before, case)), abs=1e-4)
            assert row["after"] == pytest.approx(float(margin(after, case)), abs=1e-4)


def test_the_causal_score_equals_a_loop(model, cases):
    scores = head_scores(model, cases[:2], "causal")
    for number, case in enumerate(cases[:2]):
        before = margin(run(model, [case.prompt], reuse=False).logits[0], case)
        for layer, head in ((0, 0), (3, 2)):
            row = Row(case.prompt, (ScaleHeads(layer, (head,), ("last",)),))
            after = margin(run(model, [row], reuse=False).logits[0], case)
            assert float(scores.values[number, layer, head]) == pytest.approx(float(before - after), abs=1e-4)


def test_every_edge_can_be_cut_and_controls_are_of_the_same_size(model, cases):
    table: Any = knockout(model, cases[:2], EDGES)
    assert set(table["edge"]) >= {edge.name for edge in EDGES if "ending" not in edge.target}
    assert set(table.groupby(["edge", "target"])["layer"].nunique()) == {model.n_layers}
    for edge in (e for e in EDGES if e.control):
        ends = edge.ends(cases[0])
        real = next(e for e in EDGES if not e.control and (e.source, e.target) == (edge.source, edge.target))
        twin = real.ends(cases[0])
        assert ends is not None
        assert twin is not None
        assert not set(ends[0]) & set(twin[0])
        assert len(ends[0]) <= len(twin[0])
        assert edge.ends(cases[0]) == ends


def test_the_lens_at_the_last_layer_reads_the_answer(model, cases):
    table: Any = lens(model, cases).query("span == 'last'")
    final: Any = table[table["layer"] == model.n_layers - 1]
    assert final["agrees"].all()
    exact = read_out(model, cases).margins[:, 0].tolist()
    assert (final["following"] - final["competing"]).tolist() == pytest.approx(exact, abs=1e-4)


def test_mean_outputs_are_means(model, cases):
    means = mean_outputs(model, cases, ("last", "generated"))
    plain = run(model, [c.prompt for c in cases], Read(logits=False, heads=(1,)), reuse=False).heads[1].mean(0)
    assert torch.allclose(means[1], plain, atol=1e-5)
    wide = mean_outputs(model, cases, ("instruction", "last"))
    assert not torch.allclose(means, wide, atol=1e-3)


def test_patching_a_head_with_its_own_output_changes_nothing_and_all_heads_carry_much(model, cases):
    scores = head_scores(model, cases, "patching")
    assert scores.values.shape == (len(cases), model.n_layers, model.n_heads)
    assert torch.isfinite(scores.values).all()


def test_perplexity_equals_that_of_a_plain_pass(model):
    item, conditions = tiny_items()[0], [Condition("intact")]
    conditions.append(Condition("cut", HeadSet.of(model, "image", ((0, 1), (2, 2)), strength=-1.0, scope="last")))
    table: Any = perplexity(model, [item], conditions).set_index("condition")
    prompt = encode(model, prompt_for(item, image=False))
    logits = run(model, [prompt], Read(at="all"), reuse=False).logits[0].log_softmax(-1)
    span = prompt.span("context")
    expected = -sum(float(logits[i - 1, prompt.ids[i]]) for i in span[1:].tolist()) / (len(span) - 1)
    assert table.loc["intact", "nats"] == pytest.approx(expected, abs=1e-4)
    assert abs(table.loc["cut", "nats"] - expected) > 1e-4
    assert math.isfinite(table.loc["cut", "nats"])


def test_labels_and_margins_of_known_logits(cases):
    case, logits = cases[0], torch.zeros(2000)
    logits[case.following[0]] = 3.0
    logits[case.competing[0]] = 1.0
    assert float(margin(logits, case)) == 2.0
    assert int(label(logits, case)) == 0
    logits[case.competing[0]] = 4.0
    assert float(margin(logits, case)) == -1.0
    assert int(label(logits, case)) == 1
    free = next(i for i in range(2000) if i not in (*case.following, *case.competing))
    logits[free] = 9.0
    assert int(label(logits, case)) == 2


def test_a_case_without_a_picture_has_no_image_edges(model):
    from trimtab.circuits import Case

    prompt = encode(model, Prompt("What is it?", (), "A dog sleeps.", "Follow the text."))
    case = Case(tiny_items()[0], "text", prompt, (5,), (6,))
    assert EDGES[0].ends(case) is None
    assert read_out(model, [case], [intact]).margins.shape == (1, 1)
