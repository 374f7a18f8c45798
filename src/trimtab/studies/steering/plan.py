"""A study as data: which models, items, methods and strengths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Self

from trimtab.artifact_checks import check_strength
from trimtab.contribution import Shapley
from trimtab.engine import Capability
from trimtab.errors import UsageError
from trimtab.fields import Between, Count, CountFrom0, Positive, Some, check_fields, check_value
from trimtab.file_names import check_names
from trimtab.modalities import PAIR, Modality
from trimtab.steering import METHODS, make_method
from trimtab.steering.method import VectorMethod
from trimtab.studies.kit.length import BUNDLED_TOKENS, answer_length
from trimtab.studies.kit.loading import check_loading, loading_identity
from trimtab.studies.kit.protocols import PROTOCOLS
from trimtab.studies.kit.source import FromFile

SWEPT = "open"
"""The protocol under which strengths are chosen and swept."""


MEASURED = Shapley()
"""How the study measures contributions; AMPS measures its own."""

FEW = {
    "train_items": 16,
    "validation_items": 8,
    "test_items": 12,
    "sweep_items": 4,
    "contribution_items": 4,
    "control_items": 2,
    "cost_items": 1,
}
"""The most items of a fast study."""
FEW_JOINT = 8
"""The most items that need both modalities, of each method of a fast study."""

STUDY_OPTIONS: dict[str, Any] = {
    "layers": tuple[int, ...],
    "strengths": tuple[float, ...],
    "train_items": int,
    "train_tasks": tuple[str, ...],
    "joint_items": int,
    "chosen_as": str,
}
"""Entries of a variant that say what to fit on and where; the others are the method's own options."""


@dataclass(frozen=True)
class MethodSpec:
    """A method of a study: its name in tables, its key in ``METHODS``, and options."""

    name: str
    method: str
    options: dict[str, Any]

    @property
    def own_options(self) -> dict[str, Any]:
        """The options of the method itself."""
        return {key: value for key, value in self.options.items() if key not in STUDY_OPTIONS}

    @property
    def chosen_as(self) -> str | None:
        """The method whose layer and strength it takes; None to choose its own."""
        return self.options.get("chosen_as")

    def check(self) -> None:
        """Refuse an unknown method or option.

        Raises:
            UsageError: Naming what is wrong.
        """
        owner = f"the variant {self.name!r} in `variants` of Plan"
        check_value("method", owner, str, self.method)
        self._check_study_options(owner)
        try:
            found = METHODS[self.method].targets[0] if self.method in METHODS else PAIR[0]
            make_method(self.method, {"target": found, **self.own_options})
        except UsageError as error:
            raise UsageError(
                f"`variants` of Plan must be methods with options of theirs: {self.name!r}: {error}"
            ) from error

    def _check_study_options(self, owner: str) -> None:
        for name in STUDY_OPTIONS.keys() & self.options.keys():
            value = self.options[name]
            check_value(name, owner, STUDY_OPTIONS[name], value)
            if not value or name in ("train_items", "joint_items") and value < 1:
                raise UsageError(
                    f"`{name}` of {owner} must be at least one; got {value!r}; leave it out for the plan's."
                )
        for strength in self.options.get("strengths", ()):
            check_strength(strength, owner)


@dataclass(frozen=True)
class Plan(FromFile):
    """What a study does with each model: measure, fit, choose on validation, evaluate on test.

    Attributes:
        name: What to call it.
        models: Bundled names, folders or Hub ids.
        data: The bundled benchmark's name or a file; its splits are ``<data>:train``, ``:validation`` and ``:test``.
        seed: Seed of fits, noise, bootstraps and of the choice of items.
        seeds: Seeds of the fits of methods that chance enters, whose results are averaged; empty for ``seed`` alone.
            Layer and strength are chosen with the first. A method may ask for more: random vectors are at least five.
        methods: Keys of ``trimtab.steering.METHODS`` or of ``variants``, in the order of the tables.
        variants: Methods with options of their own, by the name they have in tables: ``method`` is the key of
            ``METHODS``, every other entry an option of it. Six entries are the study's own: ``layers`` and
            ``strengths``, candidates; ``train_items``, so many of the training items; ``train_tasks``, those of these
            tasks alone; ``joint_items``, beside them so many that need both modalities, where the data has such;
            ``chosen_as``, an earlier method of the study whose layer and strength it takes, so that both push as hard
            at the same place.
        protocols: How items are put to the model: keys of ``PROTOCOLS``. Layers and strengths are chosen, and
            strengths swept, under the open one.
        targets: Modalities to follow.
        train_items: Items to fit on.
        validation_items: Items to choose layer and strength on.
        test_items: Items to evaluate on at the chosen strength.
        sweep_items: How many of these to evaluate at every strength.
        contribution_items: How many of these to measure the contribution of (``MEASURED``); 0 for none.
        control_items: How many controls of each kind to ask at the chosen strength: items without a conflict, made of
            the test items (see ``make_controls``), and items that need both, where the data has them.
        cost_items: How many of these to answer one by one under each method, to count the work.
        depths: Candidate layers as shares of the model's depth.
        strengths: Strengths of the sweep, and the candidates on validation, of methods without their own.
        chunk: Items of a resumable step.
        batch_size: The most rows of a batch, fixed so that a run can be repeated to the last bit on one machine.
        max_new_tokens: Longest answer in tokens; left out, 8 if all models are bundled, whose longest answer has 7,
            and 32 otherwise.
        load: How each model is loaded: arguments of ``trimtab.load``, such as ``dtype``; see ``LOADING``.
    """

    name: str = "demo"
    models: Annotated[tuple[str, ...], Some(each_once=True)] = ("pocket-qwen", "pocket-llava")
    data: str = "pocket-mc2"
    seed: int = 0
    seeds: tuple[CountFrom0, ...] = ()
    methods: tuple[str, ...] = ("none", "instruction", "mean", "l2s", "amps")
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    protocols: tuple[str, ...] = ("open",)
    targets: Annotated[tuple[Modality, ...], Some(each_once=True)] = PAIR
    train_items: Count = 120
    validation_items: Count = 40
    test_items: Count = 240
    sweep_items: Count = 40
    contribution_items: CountFrom0 = 40
    control_items: CountFrom0 = 0
    cost_items: CountFrom0 = 0
    depths: Annotated[tuple[Annotated[float, Between(0, 1, without="most")], ...], Some()] = (0.42, 0.58)
    strengths: Annotated[tuple[Positive, ...], Some()] = (0.5, 1.0, 2.0, 4.0)
    chunk: Count = 80
    batch_size: Count = 96
    max_new_tokens: Count | None = None
    load: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_loading("Plan", self.load)
        known = {**dict.fromkeys(METHODS), **self.variants}
        unknown = [m for m in self.methods if m not in known]
        if unknown or not self.methods or len(set(self.methods)) < len(self.methods):
            raise UsageError(f"`methods` of Plan must be among {', '.join(known)}, each once; got {self.methods}.")
        check_names(self.methods, "`methods` of Plan")
        if len(set(self.seeds)) < len(self.seeds):
            raise UsageError(f"`seeds` of Plan must be whole numbers, each once; got {self.seeds}.")
        for name in self.methods:
            self.spec(name).check()
            self._check_chosen_as(name)
        if SWEPT not in self.protocols or any(p not in PROTOCOLS for p in self.protocols):
            raise UsageError(
                f"`protocols` of Plan must be among {', '.join(PROTOCOLS)} and hold {SWEPT!r}, under which strengths "
                f"are chosen and swept; got {self.protocols}."
            )
        for strength in self.strengths:
            check_strength(strength, "Plan")

    def _check_chosen_as(self, name: str) -> None:
        """Refuse a variant that takes its layer and strength from where there is none to take."""
        spec = self.spec(name)
        if spec.chosen_as is None:
            return
        earlier = self.methods[: self.methods.index(name)]
        vectors = [m for m in earlier if issubclass(METHODS[self.spec(m).method], VectorMethod)]
        if spec.chosen_as not in vectors or not issubclass(METHODS[spec.method], VectorMethod):
            raise UsageError(
                f"`chosen_as` of the variant {name!r} in `variants` of Plan must name a method that adds a vector and "
                f"stands before it in `methods`, and it must add one itself; before it stand "
                f"{', '.join(vectors) or 'none that add one'}; got {spec.chosen_as!r}."
            )
        if clash := {"layers", "strengths"} & spec.options.keys():
            raise UsageError(
                f"the variant {name!r} in `variants` of Plan must have either `chosen_as` or candidates of its own; "
                f"got both; leave out {' and '.join(sorted(clash))}."
            )

    @property
    def needs(self) -> frozenset[Capability]:
        """What an engine must be able to do for the plan's methods."""
        return frozenset[Capability]().union(*(METHODS[self.spec(name).method].needs for name in self.methods))

    @property
    def joint_items(self) -> int:
        """The most items that need both modalities that a method learns from."""
        return max(self.spec(name).options.get("joint_items", 0) for name in self.methods)

    @property
    def longest_answer(self) -> int:
        """The longest answer in tokens."""
        return answer_length(self.models, BUNDLED_TOKENS) if self.max_new_tokens is None else self.max_new_tokens

    def spec(self, name: str) -> MethodSpec:
        """Return what a name among the methods stands for."""
        if name not in self.variants:
            return MethodSpec(name, name, {})
        options = dict(self.variants[name])
        return MethodSpec(name, options.pop("method", name), options)

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """Return the seeds with which to fit a method: one, if chance does not enter or the variant says which."""
        spec = self.spec(name)
        kind, seeds = METHODS[spec.method], self.seeds or (self.seed,)
        method = make_method(spec.method, {"target": kind.targets[0], **spec.own_options})
        if not method.is_seeded or "seed" in spec.own_options:
            return seeds[:1]
        return (*seeds, *range(max(seeds) + 1, max(seeds) + 1 + kind.least_seeds - len(seeds)))

    def strengths_of(self, name: str) -> tuple[float, ...]:
        """Return a method's candidate strengths, at which it is swept too: the plan's, or a variant's own."""
        return tuple(self.spec(name).options.get("strengths", self.strengths))

    def wanted(self) -> list[tuple[str, Modality]]:
        """Return the names and targets to fit: every method for every target that it knows."""
        return [(m, t) for t in self.targets for m in self.methods if t in METHODS[self.spec(m).method].targets]

    def layers(self, n_layers: int) -> list[int]:
        """Return the candidate layers of a model."""
        return sorted({int(depth * n_layers) for depth in self.depths})

    def fast(self) -> Self:
        """Return the same study on few items, one seed, one layer and two of its strengths: wide intervals, every part.

        Layers that variants name stay.
        """
        sizes: dict[str, Any] = {name: min(getattr(self, name), few) for name, few in FEW.items()}
        return replace(
            self,
            name=f"{self.name} --fast",
            seeds=self.seeds[:1],
            depths=(0.5,),
            strengths=_middle_two(self.strengths),
            variants={name: _with_few(options) for name, options in self.variants.items()},
            **sizes,
        )

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        found = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        found |= {"max_new_tokens": self.longest_answer, "load": loading_identity(self.load)}
        return json.loads(json.dumps(found))


def _middle_two(strengths: Sequence[float]) -> tuple[float, ...]:
    """Return the middle two of strengths in their order, or all of fewer."""
    middle = (len(strengths) - 1) // 2
    return tuple(strengths[middle : middle + 2])


def _with_few(options: dict[str, Any]) -> dict[str, Any]:
    """Return a variant with two of its strengths and few of the items that need both modalities, if it has any."""
    found = dict(options)
    if "joint_items" in options:
        found["joint_items"] = min(options["joint_items"], FEW_JOINT)
    if "strengths" in options:
        found["strengths"] = _middle_two(options["strengths"])
    return found


DEMO = Plan()
FAST = replace(DEMO.fast(), train_items=32, validation_items=16, test_items=48, sweep_items=8, contribution_items=8)
"""The same study on few items; its five methods leave time for more than a fast study of all."""
