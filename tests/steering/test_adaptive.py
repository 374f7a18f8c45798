"""The rules by which methods choose each item's strength, on numbers one can check."""

import math

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.engine import AddVector, Read, Row, run
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import TrainingSet, load_steering
from trimtab.steering.adaptive import principal_axes
from trimtab.steering.autotrim.chooser import nearest
from trimtab.steering.gate import sees_conflict
from trimtab.steering.mahalanobis import MahalanobisChooser


def logs(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).log()


WANTED = logs([0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.34, 0.33, 0.33])
PLAIN, WEAK, STRONG = [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.8, 0.1, 0.1]
STEERED = torch.stack([logs(PLAIN, WEAK, STRONG)] * 3)


def test_autotrim_takes_the_nearest_candidate():
    assert nearest(WANTED, STEERED).tolist()[:2] == [2, 0]


def test_a_gate_sees_a_conflict_only_where_each_modality_alone_is_sure():
    sure, unsure = [0.05, 0.9, 0.05], [0.5, 0.3, 0.2]
    assert sees_conflict(WANTED, logs(sure, unsure, sure), 0.7).tolist() == [True, False, False]
    assert sees_conflict(WANTED, logs(sure, unsure, unsure), 0.0).tolist() == [True, True, True]


def test_the_mahalanobis_root_ends_on_the_sphere_or_at_its_nearest_point():
    chooser = MahalanobisChooser(torch.eye(2), torch.zeros(2), radius=2.0, max_strength=100.0)
    states = torch.tensor([[0.0, 0.0], [-1.0, 0.0], [-5.0, 3.0]])
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert chooser.roots(states, vectors).tolist() == pytest.approx([2.0, 3.0, 5.0])
    capped = MahalanobisChooser(torch.eye(2), torch.zeros(2), radius=2.0, max_strength=1.5)
    assert capped.roots(states, vectors).tolist() == pytest.approx([1.5] * 3)


def test_principal_axes_hold_the_share_asked_for():
    g = torch.Generator().manual_seed(0)
    states = torch.randn(200, 6, generator=g) * torch.tensor([10.0, 5.0, 1.0, 0.1, 0.1, 0.1])
    assert principal_axes(states, 0.5).shape == (6, 1)
    assert principal_axes(states, 0.999).shape == (6, 3)


def test_the_minimal_shift_brings_the_projection_to_its_level(model: Model, train: TrainingSet):
    artifact = quick("minimal_shift", layer=1).fit(model, train)
    chooser = artifact.chooser
    assert chooser is not None
    vector = artifact.direction
    assert isinstance(vector, torch.Tensor)
    prompts = [prompt_for(item) for item in held_out_items()]
    seen = run(model, prompts, Read(logits=False, hidden=(1,)))
    states, factors = seen.hidden[1], chooser.factors(seen, artifact)  # pyright: ignore
    ended = (states + factors[:, None] * vector) @ vector
    level = chooser.config()["level"]
    assert torch.allclose(ended, torch.maximum(states @ vector, torch.tensor(level)), rtol=1e-3)


def test_the_probe_learns_what_the_items_say(model: Model, train: TrainingSet):
    found = quick("probe_gate").fit(model, train).metrics["train"]
    assert 0 <= found["follows"] <= 1
    assert found["probe_accuracy"] >= max(found["follows"], 1 - found["follows"])


def test_kl_clip_gives_no_more_than_its_trial(model: Model, train: TrainingSet):
    artifact = quick("kl_clip", trial=0.5).fit(model, train)
    for ask in artifact.asks(model, [prompt_for(i) for i in held_out_items()], 1.0):
        assert isinstance(ask, Row)
        assert all(isinstance(e, AddVector) and 0 < e.strength <= 0.5 for e in ask.edits)


def test_autotrim_comes_nearer_to_the_target_alone_than_no_steering(model: Model, train: TrainingSet):
    artifact = quick("autotrim", base="l2s", layers=(1, 2), min_confidence=0.0).fit(model, train)
    prompts = [prompt_for(item) for item in held_out_items()]
    wanted = first_scores(model, [Row(p.without("text")) for p in prompts])

    def distance(scores: torch.Tensor) -> torch.Tensor:
        return (wanted.exp() * (wanted - scores)).sum(-1)

    plain = distance(first_scores(model, [Row(p) for p in prompts]))
    assert (distance(first_scores(model, artifact.asks(model, prompts))) <= plain + 1e-5).all()


def test_autotrims_own_vector_at_the_last_layer_is_the_target_alone(model: Model):
    artifact = quick("autotrim", base="own", layers=(-1,), strengths=(0.5, 1.0), min_confidence=0.0).fit(model, ())
    prompts = [prompt_for(item) for item in held_out_items()]
    wanted = first_scores(model, [Row(p.without("text")) for p in prompts])
    asks = artifact.asks(model, prompts)
    assert all(isinstance(ask, Row) and ask.edits[0].strength == 1.0 for ask in asks)  # pyright: ignore
    assert torch.allclose(first_scores(model, asks), wanted, atol=1e-4)


def test_autotrim_leaves_prompts_of_one_modality_alone(model: Model):
    artifact = quick("autotrim", min_confidence=0.0).fit(model, ())
    item = held_out_items()[0]
    for ask in artifact.asks(model, [prompt_for(item, without=("text",)), prompt_for(item, without=("image",))]):
        assert isinstance(ask, Row)
        assert not ask.edits


def test_autotrims_own_vectors_need_no_training_and_can_be_saved(model: Model, tmp_path):
    artifact = quick("autotrim", base="own", target="text", layers=(1, 2)).fit(model, ())
    again = load_steering(artifact.save(tmp_path / "own"), model)
    prompts = [prompt_for(item) for item in held_out_items()]
    first, second = (first_scores(model, a.asks(model, prompts)) for a in (artifact, again))
    assert torch.equal(first, second)
    assert artifact.data_fingerprint == ""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("kl_clip", {"trial": 0.0}),
        ("kl_clip", {"base": "magic"}),
        ("mahalanobis", {"variance": 0.0}),
        ("autotrim", {"strengths": ()}),
        ("autotrim", {"strengths": (math.inf,)}),
        ("autotrim", {"min_confidence": 2.0}),
        ("autotrim", {"base": "magic"}),
        ("autotrim", {"positions": "first"}),
        ("few_shot", {"shots": 0}),
        ("mean", {"norm": "long"}),
        ("amps", {"anchor": "item"}),
        ("vcd", {"noise_step": 1000}),
        ("vdd", {"plausibility": 0.0}),
        ("vdd", {"form": "x"}),
        ("pai", {"guidance": 0.5}),
    ],
)
def test_bad_options_are_refused(name: str, options: dict):
    with pytest.raises(UsageError, match=next(iter(options))):
        quick(name, **options)
