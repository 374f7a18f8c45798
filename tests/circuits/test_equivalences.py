"""Fast ways equal plain ones on tiny random models of every family."""

import math
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pytest
import torch

from tests.circuits.conftest import tiny_items
from trimtab.circuits import Case, Condition, HeadSet, decompose, head_scores, knockout, lens, perplexity, read_out
from trimtab.circuits.flow import EDGES, Edge, window
from trimtab.circuits.gradient import gradient_gates
from trimtab.circuits.heads import mean_norms, mean_outputs
from trimtab.circuits.readouts import intact, label, margin
from trimtab.engine import BlockAttention, Encoded, Prompt, Read, ReplaceHeads, Row, ScaleHeads, encode, run
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.modalities import PAIR, others

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


def test_every_edge_can_be_cut(model, cases):
    table: Any = knockout(model, cases[:2], EDGES)
    missing = {edge.name for edge in EDGES} - set(table["edge"])
    assert all(edge.control or "ending" in edge.target for edge in EDGES if edge.name in missing)
    assert set(table.groupby(["edge", "target"])["layer"].nunique()) == {model.n_layers}


def prompt_of(template: int, image: int, context: int) -> Encoded:
    """A prompt of so many tokens: the template's, the picture's, the context's, then two, two and one."""
    sizes = {"template": template, "image": image, "context": context, "instruction": 2, "question": 2, "last": 1}
    ends = list(accumulate(sizes.values()))
    spans = {name: torch.arange(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True) if size}
    del spans["template"]
    return Encoded(torch.arange(ends[-1]), torch.arange(ends[-1])[None], spans, ())


@pytest.mark.parametrize(
    ("sizes", "target", "allowed"),
    [
        ((9, 4, 3), "image", set(range(1, 9))),  # enough words of the template
        ((9, 4, 3), "text", set(range(1, 9))),
        ((3, 4, 3), "text", set(range(1, 7))),  # too few of them: the picture's tokens too
        ((3, 4, 3), "image", None),  # never the competing context
        ((2, 4, 9), "text", None),  # too few of both
    ],
)
def test_a_control_is_of_the_cues_own_size_and_holds_no_cue(sizes, target, allowed):
    edge = next(edge for edge in EDGES if edge.control == target)
    twin = next(e for e in EDGES if not e.control and (e.source, e.target) == (edge.source, edge.target))
    prompt = prompt_of(*sizes)
    case, other = (Case(tiny_items()[0], own, prompt, (5,), (6,)) for own in (target, others(target, PAIR)[0]))
    assert edge.ends(other) is None  # there the cue is the competing one
    found, real = edge.ends(case), twin.ends(case)
    assert real is not None
    if allowed is None:
        assert found is None
        return
    assert found is not None
    assert found == edge.ends(case)
    assert found[1] == real[1]
    assert len(set(found[0])) == len(real[0])
    assert set(found[0]) <= allowed


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
    everywhere = mean_outputs(model, cases, ("all",))
    whole = run(model, [c.prompt for c in cases], Read(logits=False, heads=(1,), at="all"), reuse=False).heads[1]
    assert torch.allclose(everywhere[1], torch.cat(list(whole)).mean(0), atol=1e-5)
    norms = mean_norms(model, cases, ("all",))
    assert torch.allclose(norms[1], torch.cat(list(whole)).norm(dim=-1).mean(0), atol=1e-5)
    assert (norms >= everywhere.norm(dim=-1) - 1e-5).all()


def test_the_patching_score_is_a_ratio_of_means(model, cases):
    if float(read_out(model, cases).margins.mean()) < 0:
        cases = [replace(case, following=case.competing, competing=case.following) for case in cases]
    scores = head_scores(model, cases, "patching")
    assert scores.values.shape == (len(cases), model.n_layers, model.n_heads)
    own = read_out(model, cases).margins[:, 0]
    heads = run(model, [c.prompt for c in cases], Read(logits=False, heads=(2,)), reuse=False).heads[2]
    shifts = []
    for number, case in enumerate(cases):
        edit = ReplaceHeads(2, (1,), ("last",), heads[number ^ 1, 1][None])  # cases of an item stand side by side
        patched = run(model, [Row(case.prompt, (edit,))], reuse=False).logits[0]
        shifts.append(float(margin(patched, case)) - float(own[number]))
    ways = [float(-own[number ^ 1] - own[number]) for number in range(len(cases))]
    assert float(scores.values[:, 2, 1].mean()) == pytest.approx(sum(shifts) / sum(ways), abs=1e-3)
    backwards = [replace(case, following=case.competing, competing=case.following) for case in cases]
    with pytest.raises(UsageError, match="follow all instructions"):
        head_scores(model, backwards, "patching")


def test_perplexity_equals_that_of_a_plain_pass(model):
    item, conditions = tiny_items()[0], [Condition("intact")]
    conditions.append(Condition("cut", HeadSet.of(model, "image", ((0, 1), (2, 2)), strength=-1.0, scope="last")))
    table: Any = perplexity(model, [item], conditions).set_index("condition")
    prompt = encode(model, prompt_for(item, without=("image",)))
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
    prompt = encode(model, Prompt("What is it?", (), "A dog sleeps.", "Follow the text."))
    case = Case(tiny_items()[0], "text", prompt, (5,), (6,))
    assert EDGES[0].ends(case) is None
    assert read_out(model, [case], [intact]).margins.shape == (1, 1)
