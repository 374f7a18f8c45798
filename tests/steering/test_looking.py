"""Choosers that look at prompts do so in one run, and choose what each chooses alone."""

from dataclasses import replace

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.engine import AddVector, Row
from trimtab.engine.local.whitebox import counted
from trimtab.errors import ArtifactError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import METHODS, Artifact, Asks, TrainingSet, asks_together, looking, tune
from trimtab.steering.looking import LookingChooser
from trimtab.testing import tiny_model

GATES = ("autotrim", "first_token", "gated_drop", "learned_gate")
LOOKING = ("dmas", "kl_clip", "mahalanobis", "minimal_shift", "probe_gate", *GATES)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("qwen2_5_vl", check=False)


@pytest.fixture(scope="module")
def train(model: Model) -> TrainingSet:
    return TrainingSet(model, held_out_items())


@pytest.fixture(scope="module")
def fitted(model: Model, train: TrainingSet) -> dict[str, Artifact]:
    return {name: quick(name).fit(model, train) for name in (*LOOKING, "none", "instruction", "l2s", "vcd")}


def test_the_methods_that_look_are_these(fitted: dict[str, Artifact]):
    assert {name for name, own in fitted.items() if isinstance(own.chooser, LookingChooser)} == set(LOOKING)
    assert set(LOOKING) <= set(METHODS)


def test_together_as_alone(model: Model, fitted: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch):
    prompts = [prompt_for(item) for item in held_out_items()]
    ways = [(artifact, strength) for artifact in fitted.values() for strength in (0.0, 0.5, 2.0)]
    alone = [first_scores(model, artifact.asks(model, prompts, strength)) for artifact, strength in ways]
    monkeypatch.setattr(looking, "PROMPTS_AT_ONCE", 2)
    monkeypatch.setattr(looking, "ROWS_AT_ONCE", 3)
    together = [first_scores(model, asks) for asks in asks_together(model, prompts, ways)]
    plain = alone[0]
    moved = {artifact.name for (artifact, _), own in zip(ways, together, strict=True) if not torch.equal(own, plain)}
    assert set(LOOKING) - {"probe_gate"} <= moved
    for own, same in zip(together, alone, strict=True):
        torch.testing.assert_close(own, same, atol=1e-5, rtol=1e-4)


def test_all_strengths_and_methods_look_in_one_run(model: Model, fitted: dict[str, Artifact]):
    prompts = [prompt_for(item) for item in held_out_items()]
    lookers = [fitted[name] for name in LOOKING if name != "autotrim"]  # which tries candidates of its own
    ways = [(artifact, strength) for artifact in lookers for strength in (0.5, 1.0, 2.0)]
    with counted(model) as apart:
        for artifact, strength in ways:
            artifact.asks(model, prompts, strength)
    with counted(model) as together:
        asks_together(model, prompts, ways)
    assert apart.positions > 10 * together.positions


def test_gates_of_all_methods_and_targets_look_at_the_same_sides_once(model: Model, train: TrainingSet):
    prompts = [prompt_for(item) for item in held_out_items()]
    gated = [quick("gated_drop", target=target).fit(model, ()) for target in ("image", "text")]
    first = [quick("first_token", target=target, min_confidence=1.0).fit(model, ()) for target in ("image", "text")]
    with counted(model) as one:
        gated[0].asks(model, prompts)
    with counted(model) as all_of_them:
        asks_together(model, prompts, [(artifact, 1.0) for artifact in (*gated, *first)])
    assert all_of_them.positions < 2 * one.positions  # beside the sides, the plain prompts of the first token


def test_what_is_tried_at_several_strengths_shares_each_prompts_beginning(model: Model, fitted: dict[str, Artifact]):
    prompts = [prompt_for(item) for item in held_out_items()]
    with counted(model) as one:
        fitted["autotrim"].asks(model, prompts, 1.0)
    with counted(model) as several:
        asks_together(model, prompts, [(fitted["autotrim"], strength) for strength in (0.5, 1.0, 2.0)])
    assert several.positions < 1.5 * one.positions


def test_copies_of_a_prompt_are_asked_once_and_other_pictures_are_not():
    first, second = [prompt_for(item) for item in held_out_items()[:2]]
    asks = Asks()
    places = [asks.place(Row(prompt)) for prompt in (first, first.without("text"), second, first.without("text"))]
    assert places == [0, 1, 2, 1]
    shown = {asks.place(Row(replace(first, images=prompt.images))) for prompt in (first, second)}
    assert len(shown) == 2
    assert asks.place(Row(first, (AddVector(0, torch.ones(4), 1.0),))) == len(asks.asks) - 1


def test_tuning_looks_once_for_all_layers_and_strengths(model: Model, train: TrainingSet):
    with counted(model) as fixed:
        tune(quick("mean"), model, train, held_out_items(), [0, 1, 2], (0.5, 1.0, 2.0))
    with counted(model) as looked:
        tune(quick("minimal_shift"), model, train, held_out_items(), [0, 1, 2], (0.5, 1.0, 2.0))
    assert looked.positions < 1.5 * fixed.positions


def test_another_model_is_refused(fitted: dict[str, Artifact]):
    other = tiny_model("qwen2_5_vl", seed=1, check=False)
    with pytest.raises(ArtifactError):
        asks_together(other, [prompt_for(held_out_items()[0])], [(fitted["kl_clip"], 1.0)])
