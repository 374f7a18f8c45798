"""What the studies of interference do, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Self

from trimtab.fields import Count, CountFrom0, OneOf, Positive, Some, check_fields
from trimtab.interference import DiagnosisConfig, HardenConfig, variant
from trimtab.interference.diagnosis import IRRELEVANT
from trimtab.interference.hardening import VARIANTS
from trimtab.items import Relevant
from trimtab.studies.kit.loading import check_loading, loading_identity
from trimtab.studies.kit.source import FromFile

FEW_ITEMS, FEW_STEPS = 12, 4
"""The most items, and the most optimiser steps, of a fast study."""


@dataclass(frozen=True)
class InterferencePlan(FromFile):
    """A diagnosis as data.

    Attributes:
        model: The model's name.
        data: The source of the items.
        diagnosis: What is tried.
        spectrum: Whether items with a picture are also asked with another's picture, question, or both.
        load: How the model is loaded: arguments of ``trimtab.load``.
        relevant: What is relevant for items that do not say it; None for items that do.
        limit: How many items, balanced over tasks; None for all.
    """

    model: str
    data: str
    diagnosis: DiagnosisConfig = field(default_factory=DiagnosisConfig)
    spectrum: bool = True
    load: dict[str, Any] = field(default_factory=dict)
    relevant: Relevant | None = None
    limit: Count | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_loading("InterferencePlan", self.load)

    def fast(self) -> Self:
        """Return the same study on few items: wide intervals, every part."""
        return replace(self, limit=min(self.limit or FEW_ITEMS, FEW_ITEMS))

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return asdict(self) | {"load": loading_identity(self.load)}


@dataclass(frozen=True)
class AblationPlan(FromFile):
    """An ablation as data.

    Attributes:
        model: The model's name.
        data: Source of the items; its splits ``train`` and ``test`` are used. Runs get no validation items, so
            each ends with its last step.
        conflicts: Source of conflict items, on whose ``train`` and ``test`` splits preference and steering are
            measured; None leaves that out.
        variants: Keys of ``VARIANTS``.
        seeds: Seeds of each variant.
        base: What all variants share.
        conditions: Perturbations to test; those that the base does not train on are unseen.
        ways: Prompt and decoding baselines, tried on the model before it is hardened.
        attack_sizes: Sizes of the attack to try with the variant ``all``, first seed only.
        attack_steps: Steps of the attack to try likewise.
        test_items: Test items, balanced over tasks.
        conflict_items: Conflict items, balanced over tasks.
        load: How the model is loaded: arguments of ``trimtab.load``.
    """

    model: str
    data: str = "pocket-interference"
    conflicts: str | None = "pocket-mc2"
    variants: tuple[Annotated[str, OneOf(VARIANTS)], ...] = tuple(VARIANTS)
    seeds: Annotated[tuple[int, ...], Some()] = (0, 1, 2)
    base: HardenConfig = field(default_factory=HardenConfig)
    conditions: tuple[str, ...] = IRRELEVANT
    ways: tuple[str, ...] = ("plain", "ignore", "step_by_step", "contrast")
    attack_sizes: tuple[Positive, ...] = ()
    attack_steps: tuple[CountFrom0, ...] = ()
    test_items: Count = 300
    conflict_items: Count = 160
    load: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_loading("AblationPlan", self.load)

    def runs(self) -> Iterator[tuple[str, int, HardenConfig]]:
        """Name every hardening run."""
        for seed in self.seeds:
            for name in self.variants:
                yield name, seed, replace(variant(self.base, name), seed=seed)
        whole = replace(variant(self.base, "all"), seed=self.seeds[0])
        assert whole.attack is not None
        for size in self.attack_sizes:
            yield f"all, size {size:g}", self.seeds[0], replace(whole, attack=replace(whole.attack, size=size))
        for steps in self.attack_steps:
            yield f"all, {steps} steps", self.seeds[0], replace(whole, attack=replace(whole.attack, steps=steps))

    def fast(self) -> Self:
        """Return the same study with one seed, few items and few steps of training: wide intervals, every part."""
        base = replace(self.base, steps=min(self.base.steps, FEW_STEPS))
        items = {"test_items": min(self.test_items, FEW_ITEMS), "conflict_items": min(self.conflict_items, FEW_ITEMS)}
        return replace(self, base=base, seeds=self.seeds[:1], attack_sizes=(), attack_steps=(), **items)

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return asdict(self) | {"load": loading_identity(self.load)}
