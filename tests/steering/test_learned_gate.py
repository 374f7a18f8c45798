"""Learned gate: what it reads, how it is fitted, and that it opens where it says."""

import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch

from tests.contribution.items import conflict_items
from tests.steering.items import train_items
from trimtab.divergences import entropy, kl
from trimtab.engine import Prompt, Row, run
from trimtab.errors import ArtifactError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import LearnedGate
from trimtab.steering.gate import target_alone
from trimtab.steering.learned_gate import LearnedGateChooser
from trimtab.steering.learned_gate.logistic import fit_logistic
from trimtab.steering.learned_gate.method import shares_of
from trimtab.steering.learned_gate.views import FLOOR, N_FEATURES, VIEWS, features, read_features, views_of
from trimtab.steering.lessons import Kind, Lesson
from trimtab.steering.loading import load_steering


def test_a_prompt_is_seen_in_four_views():
    [prompt, *_] = map(prompt_for, conflict_items())
    plain, target, others, question = views_of(prompt, "text")
    assert plain is prompt
    assert (target.modalities, others.modalities, question.modalities) == (("text",), ("image",), ())
    assert {view.question for view in (plain, target, others, question)} == {prompt.question}


def test_features_are_those_of_the_distributions():
    sharp, flat = torch.tensor([0.97, 0.01, 0.01, 0.01]).log(), torch.full((4,), 0.25).log()
    found = features(torch.stack([sharp, flat, sharp.flip(0), flat])[None])[0].exp()
    alone, two, same = found[:8].view(4, 2), found[8:-6].view(12, 2), found[-6:].log()
    assert alone[0].tolist() == pytest.approx([0.97, entropy(sharp).item()], abs=1e-5)
    assert alone[1].tolist() == pytest.approx([0.25, math.log(4)], abs=1e-5)
    pairs = dict(zip(permutations(range(4), 2), two, strict=True))
    assert pairs[0, 1].tolist() == pytest.approx([kl(sharp, flat).item(), 0.97], abs=1e-5)
    assert pairs[0, 2][1] == pytest.approx(0.01)
    assert pairs[1, 3][0] == pytest.approx(FLOOR)  # the same twice: no divergence
    assert same.round().tolist() == [1, 0, 1, 0, 1, 0]  # the first token is the best of views 0, 1 and 3


def test_what_cannot_be_said_has_features_too():
    barred = torch.tensor([0.0, -torch.inf, -torch.inf])
    assert features(barred.expand(1, len(VIEWS), 3)).isfinite().all()


def test_the_fit_is_where_the_loss_is_least():
    torch.manual_seed(0)
    inputs, labels = torch.randn(60, 3) * torch.tensor([1.0, 5.0, 0.1]) + 2, torch.arange(60) % 3 == 0
    inputs[labels] += torch.tensor([0.5, -2.0, 0.0])
    counted = torch.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    weights, bias = fit_logistic(inputs, labels, counted, 0.01)
    spread = inputs.double().std(0, correction=0)
    w, b = weights.double().requires_grad_(), torch.tensor(bias, dtype=torch.float64, requires_grad=True)
    missed = torch.nn.functional.softplus(-(2 * labels.double() - 1) * (inputs.double() @ w + b))
    ((counted * missed).sum() + 0.005 * ((w * spread) ** 2).sum()).backward()
    assert w.grad is not None
    assert b.grad is not None
    assert max((w.grad / spread).abs().max(), b.grad.abs()) < 1e-5
    assert fit_logistic(inputs, labels, counted, 100.0)[0].abs().max() < 0.05 * weights.abs().max()


def test_kinds_of_lessons_count_alike():
    prompt = prompt_for(train_items()[0])
    kinds: list[Kind] = ["conflict", "conflict", "conflict", "no_other", "no_target"]
    lessons = [
        Lesson(kind, prompt, prompt if kind == "no_target" else target_alone(prompt, "text"), (0,)) for kind in kinds
    ]
    assert shares_of(lessons).tolist() == pytest.approx([1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 2])


def test_the_target_alone_is_asked_exactly_where_the_gate_opens(model: Model):
    prompts = [prompt_for(item) for item in conflict_items()]
    read = torch.cat(list(read_features(model, prompts, "text")))
    weights = torch.randn(read.shape[1], generator=torch.Generator().manual_seed(0))
    sums = (read @ weights).sort().values
    middle = len(sums) // 2
    gate = LearnedGateChooser("text", weights, float(-(sums[middle - 1] + sums[middle]) / 2), 0.5)  # none at the edge
    artifact = replace(LearnedGate("text").fit(model, train_items()), chooser=gate)
    asked = artifact.asks(model, [*prompts, prompts[0].without("image")])
    opens = (gate.opening(read) >= 0.5).tolist()
    assert {True, False} == set(opens)
    for prompt, row, on in zip(prompts, asked, opens, strict=False):
        assert isinstance(row, Row)
        assert isinstance(row.prompt, Prompt)
        assert row.prompt.modalities == (("text",) if on else ("image", "text"))
        assert (row.prompt.question, row.prompt.context) == (prompt.question, prompt.context)
    [*_, last] = asked
    assert isinstance(last, Row)
    assert isinstance(last.prompt, Prompt)
    assert last.prompt.modalities == ("text",)  # nothing to decide, and nothing read


def test_features_of_a_model_are_those_of_its_answers(model: Model):
    prompts = [prompt_for(item) for item in conflict_items()]
    read = torch.cat(list(read_features(model, prompts, "image")))
    alone = run(model, [Row(target_alone(p, "image")) for p in prompts]).logits.float().softmax(-1).max(-1).values
    assert torch.allclose(read[:, 2].exp(), alone, rtol=1e-3)


def test_a_fit_says_where_it_opens_and_another_seed_learns_from_other_lessons(model: Model):
    found = LearnedGate("text").fit(model, train_items())
    train = found.metrics["train"]
    assert train["lessons"] > train["items"]
    assert train["opens_where_followed"] > train["opens_elsewhere"]
    other = replace(LearnedGate("text"), seed=1).fit(model, train_items())
    assert isinstance(found.chooser, LearnedGateChooser)
    assert isinstance(other.chooser, LearnedGateChooser)
    assert not torch.equal(found.chooser.weights, other.chooser.weights)


def test_items_that_teach_nothing_are_refused(model: Model):
    with pytest.raises(UsageError, match=r"1 items gave no pair to learn from; give more"):
        LearnedGate("text").fit(model, train_items()[:1])


def test_a_gate_of_another_size_is_refused(model: Model, tmp_path: Path):
    found = LearnedGate("text").fit(model, train_items())
    assert isinstance(found.chooser, LearnedGateChooser)
    short = replace(found, chooser=replace(found.chooser, weights=found.chooser.weights[1:]))
    short.save(tmp_path / "short")
    with pytest.raises(
        ArtifactError, match=rf"'weights' must be of shape \({N_FEATURES},\); got \({N_FEATURES - 1},\)"
    ):
        load_steering(tmp_path / "short", model)
