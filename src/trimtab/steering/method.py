"""What every steering method has in common, and the registry of methods."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from itertools import chain
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack

from torch import Tensor

from trimtab.engine import Capability, ModelOrEngine, Placement, Positions, Predictor, check_layer, require
from trimtab.errors import UsageError
from trimtab.fields import check_fields
from trimtab.items import Item, remembered
from trimtab.modalities import MODALITIES, PAIR, Modality
from trimtab.nearest import did_you_mean
from trimtab.progress import SILENT, Progress
from trimtab.registry import Registry
from trimtab.steering.artifact import Artifact
from trimtab.steering.chooser import Chooser
from trimtab.steering.contrasting import Rule
from trimtab.steering.states import in_conflict
from trimtab.steering.training_set import TrainingSet

METHODS: Registry[type[Method]] = Registry("`method`")
"""Known methods by name. A new method is one folder and one ``@register``."""

register = METHODS.register
"""Makes a method known by its name."""

T = TypeVar("T")


def make_method(name: str, options: Mapping[str, Any]) -> Method:
    """Make a method of plain data, as configuration files and command lines hold it.

    Args:
        name: A key of ``METHODS``.
        options: Its fields by name. Lists become tuples, and mappings become the config that a field holds.

    Raises:
        UsageError: The method or an option is unknown, or a value does not suit it.
    """
    kind = METHODS.named(name)
    known = {field.name: field for field in fields(kind)}
    made: dict[str, Any] = {}
    for key, value in options.items():
        if key not in known:
            meant = did_you_mean(key, known)
            raise UsageError(f"An option of the method {name!r} must be one of {', '.join(known)}; got {key!r}{meant}")
        config = known[key].default_factory
        made[key] = tuple(value) if isinstance(value, list) else value
        if isinstance(value, Mapping) and config is not MISSING:
            made[key] = _made(f"{name}.{key}", config, value)
    return _made(name, kind, made)


def _made(owner: str, make: Callable[..., T], options: Mapping[str, Any]) -> T:
    try:
        return make(**options)
    except TypeError as error:
        raise UsageError(f"Options of {owner} must be of the types it takes; got {dict(options)} ({error}).") from error


class Parts(TypedDict, total=False):
    """What a method has learned and chosen, as ``Artifact`` holds it."""

    strength: float
    layer: int
    positions: Positions
    direction: Tensor | Predictor
    instruction: str
    placement: Placement
    without: tuple[Modality, ...]
    contrast: Rule
    chooser: Chooser | None
    data_fingerprint: str
    fitted_items: str
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Method(ABC):
    """A way to make a model follow one modality.

    Attributes:
        target: The modality to follow.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """What tables and figures call it."""
    phrase: ClassVar[str] = ""
    """What a sentence calls it, where the title alone would not read; empty for the title."""
    colour: ClassVar[str] = "#CC79A7"
    """Its colour in figures, of Okabe and Ito's palette or told apart from it; by default that of all others."""
    compared_with: ClassVar[tuple[str, ...]] = ()
    """Names of the methods that a report sets it beside, the one that decides its worth first."""
    adds_vector: ClassVar[bool] = False
    """Whether the method adds one vector after one layer, so that a layer can be tuned."""
    has_strength: ClassVar[bool] = False
    """Whether a strength can be tuned."""
    changes_prompt: ClassVar[bool] = False
    """Whether the model is asked another prompt, or several, instead of being edited."""
    needs: ClassVar[frozenset[Capability]] = frozenset()
    """What an engine must be able to do for it to be fitted and used, beside answering prompts."""
    targets: ClassVar[tuple[Modality, ...]] = MODALITIES
    """The modalities it can make a model follow; some decoding methods know only the image."""
    least_seeds: ClassVar[int] = 1
    """How many seeds a study fits it with at least: of a control that is drawn, one draw shows little."""

    target: Modality = "image"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.target not in self.targets:
            raise UsageError(
                f"`target` of {type(self).__name__} must be {self.targets[0]!r}, the only one the method knows; got "
                f"{self.target!r}; choose another method."
            )

    @abstractmethod
    def fit(self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet, progress: Progress = SILENT) -> Artifact:
        """Learn from training items.

        Args:
            model: The model.
            items: Training items; or a ``TrainingSet``, to share its states among methods.
            progress: Told of prompts or items as they finish.

        Returns:
            The artifact, at strength 1.

        Raises:
            UsageError: The items or the layer do not suit the method.
        """

    def artifact(self, model: ModelOrEngine, **parts: Unpack[Parts]) -> Artifact:
        """Return an artifact of the method for a model, with what it has learned."""
        return Artifact(self.name, self.target, model.name, model.fingerprint, options=self.options(), **parts)

    def variants(self) -> Mapping[str, Method]:
        """Return the methods among which tuning chooses, by name; most have one."""
        return {self.name: self}

    @property
    def is_seeded(self) -> bool:
        """Whether another seed learns something else."""
        return any(field.name == "seed" for field in fields(self))

    def options(self) -> dict[str, Any]:
        """Return what was chosen about the method beside target, layer and positions, ready for JSON."""
        chosen = {k: v for k, v in asdict(self).items() if k not in ("target", "layer", "positions")}
        return json.loads(json.dumps(chosen))


@dataclass(frozen=True)
class UntrainedMethod(Method):
    """A method that learns nothing."""

    def fit(
        self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT
    ) -> Artifact:
        """Learn nothing: items only say which modalities there are, image and text if none are given."""
        given = items.given if isinstance(items, TrainingSet) else items
        shown = chain.from_iterable(item.modalities for item in given) if given else PAIR
        return self.artifact(model, **self.parts(model, in_conflict((*shown, self.target))))

    @abstractmethod
    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return what the artifact holds, to follow the target among some modalities."""


@dataclass(frozen=True)
class VectorMethod(Method):
    """A method that adds a vector after one layer.

    Attributes:
        target: The modality to follow.
        layer: Decoder block, 0-based, whose output is read and changed. Left out, the one at half the depth, as
            AMPS's 14th of Qwen2.5-VL-7B's 28.
        positions: Where the vector is added; see ``AddVector``.
        seed: Seed of whatever is random in learning.
    """

    adds_vector: ClassVar[bool] = True
    has_strength: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.HIDDEN, Capability.ADD_VECTOR})
    forms: ClassVar[tuple[str, ...]] = ("vector", "predictor")
    """What it may learn: one vector, or the network that predicts each item's."""

    layer: int | None = None
    positions: Positions = "from_last_prompt"
    seed: int = 0

    def fit(self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet, progress: Progress = SILENT) -> Artifact:
        """Learn the vector, or what predicts it, from training items; see ``Method.fit``."""
        require(model, *self.needs, owner=f"{type(self).__name__}.fit")
        layer = default_layer(model) if self.layer is None else self.layer
        layer = check_layer(model, layer, type(self).__name__)
        train = items if isinstance(items, TrainingSet) else TrainingSet(model, items, [layer], progress)
        if train.model is not model:
            raise UsageError(
                f"`items` of {type(self).__name__}.fit must be a TrainingSet of the same model, {model.name}; got "
                f"one of {train.model.name}; make one with this model."
            )
        if layer not in train.layers:
            raise UsageError(
                f"`layer` of {type(self).__name__} must be one of the layers whose states the TrainingSet collects "
                f"({', '.join(map(str, train.layers))}); got {layer}; make the TrainingSet with it."
            )
        train.check_target(self.target, type(self).__name__)
        direction, metrics = replace(self, layer=layer).learn(train, layer)
        chooser, found = self.choose(train, layer, direction)
        return self.artifact(
            model,
            layer=layer,
            positions=self.positions,
            direction=direction,
            chooser=chooser,
            data_fingerprint=train.fingerprint,
            fitted_items=remembered(train.items),
            metrics={"train": {"items": len(train.items), "skipped": len(train.states.skipped), **metrics, **found}},
        )

    def choose(
        self, train: TrainingSet, layer: int, direction: Tensor | Predictor
    ) -> tuple[Chooser | None, dict[str, Any]]:
        """Return what chooses each item's strength, and what there is to say about it; most methods have none."""
        return None, {}

    @abstractmethod
    def learn(self, train: TrainingSet, layer: int) -> tuple[Tensor | Predictor, dict[str, Any]]:
        """Return the direction learned at a layer and what there is to say about it."""


def default_layer(model: ModelOrEngine) -> int:
    """Return the layer at half the depth: 14 of 28, 6 of 12."""
    return model.n_layers // 2
