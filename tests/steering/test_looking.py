"""Choosers that look at prompts do so in one run, and choose what each chooses alone."""

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from trimtab.engine.local.whitebox import counted
from trimtab.errors import ArtifactError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import METHODS, Artifact, TrainingSet, asks_together, first_scores, looking, tune
from trimtab.steering.looking import LookingChooser
from trimtab.testing import tiny_model

LOOKING = ("dmas", "kl_clip", "mahalanobis", "minimal_shift", "probe_gate")


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
    together = [first_scores(model, asks) for asks in asks_together(model, prompts, ways)]
    plain = alone[0]
    moved = {artifact.name for (artifact, _), own in zip(ways, together, strict=True) if not torch.equal(own, plain)}
    assert set(LOOKING) - {"probe_gate"} <= moved
    for own, same in zip(together, alone, strict=True):
        torch.testing.assert_close(own, same, atol=1e-5, rtol=1e-4)


def test_all_strengths_and_methods_look_in_one_run(model: Model, fitted: dict[str, Artifact]):
    prompts = [prompt_for(item) for item in held_out_items()]
    ways = [(fitted[name], strength) for name in LOOKING for strength in (0.5, 1.0, 2.0)]
    with counted(model) as apart:
        for artifact, strength in ways:
            artifact.asks(model, prompts, strength)
    with counted(model) as together:
        asks_together(model, prompts, ways)
    assert apart.positions > 10 * together.positions


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
