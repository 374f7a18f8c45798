"""One fitted artifact for each method and family, fitted once."""

from dataclasses import fields

import pytest

from tests.steering.items import train_items
from trimtab.models import Model
from trimtab.steering import METHODS, VAR, Artifact, LearnedGate, Method, TrainingSet
from trimtab.steering.l2s import NetworkConfig
from trimtab.steering.learned_trim import TrainingConfig

FAST = NetworkConfig(width=8, epochs=5)


def quick(name: str, **options) -> Method:
    """A method whose training takes no time."""
    if "network" in {field.name for field in fields(METHODS[name])}:
        options["network"] = FAST
    if "training" in {field.name for field in fields(METHODS[name])}:
        options.setdefault("training", TrainingConfig(epochs=1))
    if METHODS[name] is VAR:
        # tiny models have no massive activations
        options |= {"threshold": 16.0, "min_attention": 0.0, "max_sink_share": 1.0}
    if "min_confidence" in {field.name for field in fields(METHODS[name])}:
        # a random model is sure of nothing, and a gate would leave all prompts alone
        options.setdefault("min_confidence", 0.0)
    if METHODS[name] is LearnedGate:
        options.setdefault("threshold", 0.0)  # likewise
    return METHODS[name](**options)


@pytest.fixture(scope="session")
def training_sets() -> dict[Model, TrainingSet]:
    return {}


@pytest.fixture
def train(model: Model, training_sets: dict[Model, TrainingSet]) -> TrainingSet:
    """The training set of the model at hand, its states read once for each time that the model is made."""
    if model not in training_sets:
        training_sets[model] = TrainingSet(model, train_items())
    return training_sets[model]


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def artifacts() -> dict[tuple[str, str], Artifact]:
    return {}


@pytest.fixture
def artifact(method: str, model: Model, train: TrainingSet, artifacts: dict[tuple[str, str], Artifact]) -> Artifact:
    """The method fitted for the image; artifacts never change, so once a session is enough."""
    key = (model.name, method)
    if key not in artifacts:
        artifacts[key] = quick(method).fit(model, train)
    return artifacts[key]
