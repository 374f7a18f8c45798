"""A study as data: which models, items, methods and strengths."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from trimtab.data import Item, Items
from trimtab.data.prompts import MODALITIES, Modality
from trimtab.errors import UsageError
from trimtab.steering import METHODS

SIZES = (
    "train_items",
    "validation_items",
    "test_items",
    "sweep_items",
    "contribution_items",
    "chunk",
    "batch_size",
    "max_new_tokens",
)


@dataclass(frozen=True)
class Plan:
    """What a study does with each model: measure, fit, choose on validation, evaluate on test.

    Attributes:
        name: What to call it.
        models: Bundled names, folders or Hub ids.
        data: Name of the benchmark; its splits are ``<data>:train``, ``:validation`` and ``:test``.
        seed: Seed of fits, noise, bootstraps and of the choice of items.
        methods: Keys of ``trimtab.steering.METHODS``, in the order of the tables.
        targets: Modalities to follow.
        train_items: Items to fit on.
        validation_items: Items to choose layer and strength on.
        test_items: Items to evaluate on at the chosen strength.
        sweep_items: How many of these to evaluate at every strength.
        contribution_items: How many of these to measure the contribution of.
        depths: Candidate layers as shares of the model's depth.
        strengths: Strengths of the sweep, and the candidates on validation.
        chunk: Items of a resumable step.
        batch_size: Rows of a batch, fixed so that a run can be repeated to the last bit on one machine.
        max_new_tokens: Longest answer in tokens; the bundled benchmark's longest has 7.
    """

    name: str = "demo"
    models: tuple[str, ...] = ("pocket-qwen", "pocket-llava")
    data: str = "pocket-mc2"
    seed: int = 0
    methods: tuple[str, ...] = ("none", "instruction", "mean", "l2s", "amps")
    targets: tuple[Modality, ...] = MODALITIES
    train_items: int = 240
    validation_items: int = 96
    test_items: int = 800
    sweep_items: int = 120
    contribution_items: int = 96
    depths: tuple[float, ...] = (0.42, 0.58)
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    chunk: int = 80
    batch_size: int = 96
    max_new_tokens: int = 8

    def __post_init__(self) -> None:
        unknown = [m for m in self.methods if m not in METHODS]
        if unknown or not self.methods:
            raise UsageError(f"`methods` of Plan must be among {', '.join(METHODS)}; got {self.methods}.")
        for size in SIZES:
            if getattr(self, size) < 1:
                raise UsageError(f"`{size}` of Plan must be at least 1; got {getattr(self, size)}.")
        if not all(0 <= depth < 1 for depth in self.depths) or not self.depths:
            raise UsageError(f"`depths` of Plan must be in 0..1, 1 left out; got {self.depths}.")
        if not self.strengths or any(s <= 0 for s in self.strengths):
            raise UsageError(f"`strengths` of Plan must be above 0; got {self.strengths}.")

    def layers(self, n_layers: int) -> list[int]:
        """Return the candidate layers of a model."""
        return sorted({int(depth * n_layers) for depth in self.depths})

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


DEMO = Plan()
FAST = replace(
    DEMO,
    name="demo --fast",
    train_items=64,
    validation_items=32,
    test_items=160,
    sweep_items=32,
    contribution_items=16,
    depths=(0.5,),
    strengths=(1.0, 2.0, 4.0),
)
"""The same study in a minute: wide intervals, every part of the report."""


def choose_items(items: Iterable[Item], n: int, seed: int) -> Items:
    """Choose items at random, as many of each task as possible.

    They come task by task in turn, so the first few of them are as balanced as all of them. The choice depends
    on ids and seed alone, not on the order of ``items``.

    Args:
        items: What to choose from.
        n: How many; all, if there are fewer.
        seed: Chooses among the many such choices.
    """
    by_task: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_task[item.task].append(item)
    ranked = []
    for task, members in by_task.items():
        members.sort(key=lambda item: hashlib.sha256(f"{seed} {item.id}".encode()).hexdigest())
        ranked += [(place, task, item) for place, item in enumerate(members)]
    ranked.sort(key=lambda entry: entry[:2])
    return Items((item for _, _, item in ranked[:n]), getattr(items, "skipped", ()))
