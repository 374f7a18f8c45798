"""What the learned methods learn."""

import math

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import train_items
from trimtab.contribution import MCS
from trimtab.engine import Read, run
from trimtab.errors import NotFiniteError, UsageError
from trimtab.items.prompts import INSTRUCTIONS, prompt_for
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.steering import AMPS, L2S, MeanDifference, TrainingSet, collect_states, default_layer, make_method
from trimtab.steering.amps import Reading, scaling
from trimtab.steering.l2s import NetworkConfig, fit_network
from trimtab.steering.l2s.network import Loss
from trimtab.testing import tiny_model


@pytest.mark.parametrize("loss", ["released", "paper"])
def test_the_network_learns_a_planted_linear_task(loss: Loss):
    g = torch.Generator().manual_seed(0)
    states = 30 * torch.randn(400, 64, generator=g) + 100  # far from the units a network likes
    law = torch.randn(64, 8, generator=g) @ torch.randn(8, 64, generator=g)
    vectors = 1e-3 * (states - 100) @ law + 0.05
    network, metrics = fit_network(states, vectors, NetworkConfig(loss=loss), seed=0)
    assert metrics["held_out_error"] < 0.1 * metrics["held_out_error_of_mean"]
    error = (network(states) - vectors).square().mean() / vectors.var(0).mean()
    assert error < 0.1


def test_where_there_is_nothing_to_learn_the_mean_is_kept():
    g = torch.Generator().manual_seed(0)
    states, noise = torch.randn(2, 100, 16, generator=g)
    _, metrics = fit_network(states, noise + 3, NetworkConfig(), seed=0)
    assert metrics["held_out_error"] <= 1.01 * metrics["held_out_error_of_mean"]


def test_an_outlier_dimension_does_not_drown_the_others():
    g = torch.Generator().manual_seed(0)
    states = torch.randn(300, 32, generator=g)
    states[:, 0] = 1000.0  # a constant dimension must not divide by zero
    vectors = states[:, 1:2] * torch.randn(32, generator=g)
    _, metrics = fit_network(states, vectors, NetworkConfig(), seed=0)
    assert metrics["held_out_error"] < 0.2


def test_one_item_cannot_train_a_network():
    with pytest.raises(UsageError, match="at least 2"):
        fit_network(torch.ones(1, 4), torch.ones(1, 4), NetworkConfig(), seed=0)


@pytest.mark.parametrize(
    "options",
    [{"width": 0}, {"loss": "huber"}, {"epochs": 0}, {"learning_rate": 0}, {"batch_size": 0}, {"held_out": 1}],
)
def test_a_bad_network_config_is_refused(options: dict):
    with pytest.raises(UsageError, match=next(iter(options))):
        NetworkConfig(**options)


RATIOS = torch.tensor([0.2, 0.4, 0.5, 0.7], dtype=torch.float64)
TASKS = ["color", "color", "counting", "counting"]  # mean ratios 0.3 and 0.6


def of_pair(ratios: torch.Tensor) -> dict[Modality, torch.Tensor]:
    return {"image": ratios, "text": 1 - ratios}


@pytest.mark.parametrize(
    ("target", "reading", "expected"),
    [
        ("image", "literal", [2 - 1 / 3, 2 + 1 / 3, 2 - 1 / 6, 2 + 1 / 6]),
        ("text", "literal", [2 - 1 / 3, 2 + 1 / 3, 2 - 1 / 6, 2 + 1 / 6]),
        ("text", "prose", [1 - 1 / 3, 1 + 1 / 3, 1 - 1 / 6, 1 + 1 / 6]),
        ("image", "prose", [1 + 1 / 7, 1 - 1 / 7, 1 + 1 / 4, 1 - 1 / 4]),
        ("image", "gamma", [1 - 1 / 3, 1 + 1 / 3, 1 - 1 / 6, 1 + 1 / 6]),
        ("image", "normalised", [1 - 1 / 6, 1 + 1 / 6, 1 - 1 / 12, 1 + 1 / 12]),
        ("text", "doubled_prose", [2 - 1 / 3, 2 + 1 / 3, 2 - 1 / 6, 2 + 1 / 6]),
        ("text", "standardised", [0, 2, 0, 2]),
        ("image", "standardised", [2, 0, 2, 0]),
    ],
)
def test_scalings_follow_the_formula(target: Modality, reading: Reading, expected: list[float]):
    assert scaling(of_pair(RATIOS), TASKS, target, reading, 1.0).tolist() == pytest.approx(expected)


def test_an_anchor_over_all_items_sets_each_against_all():
    found = scaling(of_pair(RATIOS), TASKS, "text", "prose", 1.0, "all").tolist()
    assert found == pytest.approx([1 + (r - 0.45) / 0.45 for r in RATIOS.tolist()])


def test_shuffled_scalings_are_the_same_ones_elsewhere(model: Model, train: TrainingSet):
    given, shuffled = (quick("amps", reading="gamma", shuffled=s).fit(model, train) for s in (False, True))
    about = [a.metrics["train"]["scaling"] for a in (given, shuffled)]
    assert about[0]["mean"] == pytest.approx(about[1]["mean"])
    assert about[0]["std"] == pytest.approx(about[1]["std"])
    assert not torch.equal(given.direction.b_out, shuffled.direction.b_out)  # pyright: ignore


@pytest.mark.parametrize(("norm", "length"), [("items", "vectors"), ("states", "plain")])
def test_a_mean_vector_has_the_length_asked_for(model: Model, train: TrainingSet, norm: str, length: str):
    raw, scaled = (quick("mean", layer=1, norm=n).fit(model, train).direction for n in ("raw", norm))
    assert isinstance(raw, torch.Tensor)
    assert isinstance(scaled, torch.Tensor)
    states = train.states.steering_vectors("image", 1) if length == "vectors" else train.states.plain[1]
    assert float(scaled.norm()) == pytest.approx(float(states.norm(dim=-1).mean()), rel=1e-4)
    assert torch.allclose(raw / raw.norm(), scaled / scaled.norm(), atol=1e-5)


def test_a_part_of_a_training_set_shares_its_states(train: TrainingSet):
    colors = train.part(tasks=["color"])
    assert {item.task for item in colors.items} == {"color"}
    places = [i for i, item in enumerate(train.items) if item.task == "color"]
    assert torch.equal(colors.states.plain[1], train.states.plain[1][places])
    assert len(train.part(items=2).items) == 2
    assert train.part() is train
    with pytest.raises(UsageError, match="at least one"):
        train.part(tasks=["sport"])


def test_methods_are_made_of_plain_data():
    made = make_method("l2s", {"target": "text", "network": {"width": 4}})
    assert made == L2S("text", network=NetworkConfig(width=4))
    for options in ({"colour": "red"}, {"network": {"depth": 2}}, {"target": "sound"}):
        with pytest.raises(UsageError):
            make_method("l2s", options)
    with pytest.raises(UsageError, match="magic"):
        make_method("magic", {})


def test_scalings_at_their_edges():
    assert scaling(of_pair(RATIOS), TASKS, "text", "prose", 0.0).tolist() == [1] * 4
    assert scaling(of_pair(RATIOS), TASKS, "text", "prose", 6.0).tolist() == pytest.approx([0, 3, 0, 2])
    ratios = torch.tensor([0.2, math.nan, math.nan, 0.0], dtype=torch.float64)
    tasks = ["color", "color", "counting", "sport"]
    assert scaling(of_pair(ratios), tasks, "text", "prose", 1.0).tolist() == [1] * 4


def test_amps_trains_on_scaled_vectors_and_says_how(model: Model, train: TrainingSet):
    artifact = quick("amps", reading="literal").fit(model, train)
    factors = scaling(train.shares(MCS()), [i.task for i in train.items], "image", "literal", 1.0)
    said = artifact.metrics["train"]["scaling"]
    assert said["mean"] == pytest.approx(float(factors.mean()))
    assert said["max"] > said["mean"] > said["min"] > 0
    assert artifact.metrics["train"]["reading"] == "literal"
    plain = quick("l2s").fit(model, train)
    assert plain.metrics["train"]["items"] == len(train.items)


def test_amps_without_scaling_is_l2s(model: Model, train: TrainingSet):
    amps = quick("amps", reading="prose", beta=0.0).fit(model, train).direction
    l2s = quick("l2s").fit(model, train).direction
    assert torch.equal(amps.w_out, l2s.w_out)  # pyright: ignore


@pytest.mark.parametrize("target", ["image", "text"])
def test_the_mean_is_the_mean_of_state_differences(model: Model, target: Modality):
    items = train_items()
    artifact = MeanDifference(target=target, layer=-1).fit(model, items)
    assert artifact.layer == model.n_layers - 1

    def states(modality: Modality) -> torch.Tensor:
        prompts = [prompt_for(i, instruction=INSTRUCTIONS[modality]) for i in items]
        return run(model, prompts, Read(logits=False, hidden=(-1,)), reuse=False).hidden[-1]

    difference = (states("image") - states("text")).mean(0)
    expected = difference if target == "image" else -difference
    assert torch.allclose(artifact.direction, expected, atol=1e-4)  # pyright: ignore


def test_plain_states_have_no_instruction(model: Model):
    items = train_items()
    states = collect_states(model, items, [0, 2])
    for layer in (0, 2):
        plain = run(model, [prompt_for(i) for i in items], Read(logits=False, hidden=(layer,)), reuse=False)
        assert torch.allclose(states.plain[layer], plain.hidden[layer], atol=1e-4)


def test_the_default_layer_is_half_the_depth():
    model = tiny_model(layers=6, check=False)
    assert default_layer(model) == 3
    assert L2S().layer is None


@pytest.mark.parametrize(
    "options", [{"target": "vision"}, {"positions": "first"}, {"reading": "x"}, {"beta": math.nan}]
)
def test_bad_options_are_refused(options: dict):
    with pytest.raises(UsageError, match=next(iter(options))):
        AMPS(**options)


def test_a_layer_the_model_lacks_is_refused(model: Model, train: TrainingSet):
    with pytest.raises(UsageError, match="0..3"):
        L2S(layer=4).fit(model, train)
    with pytest.raises(UsageError, match="collects"):
        L2S(layer=0).fit(model, TrainingSet(model, train_items(), [1]))


def test_a_training_set_of_another_model_is_refused(model: Model, train: TrainingSet):
    with pytest.raises(UsageError, match="same model"):
        L2S().fit(tiny_model(layers=2, check=False), train)


def test_states_that_are_not_finite_are_refused():
    model = tiny_model("llava", layers=2, check=False)
    model.embedding.weight.data.fill_(float("inf"))
    with pytest.raises(NotFiniteError, match="finite"):
        collect_states(model, train_items()[:1], [0])


def test_an_unknown_placement_is_refused():
    with pytest.raises(UsageError, match="placement"):
        quick("instruction", placement="before")
