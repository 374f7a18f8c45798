"""What methods learn from, computed once for as many methods, targets and layers as ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from trimtab.contribution import Method, measure
from trimtab.engine import ModelOrEngine, check_layer, generate
from trimtab.errors import UsageError
from trimtab.items import Item, Label, items_fingerprint, judge
from trimtab.items.admission import check_items
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality, others
from trimtab.nearest import did_you_mean
from trimtab.progress import SILENT, Progress
from trimtab.steering.completions import collect_completions
from trimtab.steering.states import States, collect_states

Contrast = Literal["instruction", "completion"]
"""What steering vectors are a difference of: states under instructions (AMPS), or under forced answers (L2S)."""

ITEMS = "`items` of fit"

Found = TypeVar("Found")


class TrainingSet:
    """Training items with their states and contributions, each computed when first asked for.

    Give one to several ``fit`` and ``tune`` calls, and the model runs over the items once.

    Attributes:
        model: The model.
        given: All items, readable or not.
        layers: Layers whose states are collected, 0-based.
        progress: Told of prompts or items as they finish.
    """

    def __init__(
        self,
        model: ModelOrEngine,
        items: Sequence[Item],
        layers: Sequence[int] | None = None,
        progress: Progress = SILENT,
    ) -> None:
        wanted = range(model.n_layers) if layers is None else layers
        self.model = model
        self.layers = tuple(sorted({check_layer(model, layer, "TrainingSet") for layer in wanted}))
        self.progress = progress
        self.given = tuple(check_items(items, ITEMS))
        self._shares: dict[Method, dict[Modality, Tensor]] = {}
        self._once: dict[Hashable, Any] = {}

    @cached_property
    def states(self) -> States:
        """The items' states at all layers."""
        return collect_states(self.model, self.given, self.layers, self.progress, what=ITEMS)

    @property
    def items(self) -> tuple[Item, ...]:
        """The items that could be asked."""
        return self.states.items

    @cached_property
    def completed(self) -> dict[Modality, dict[int, Tensor]]:
        """The items' states at all layers under the forced answer of each modality; see ``collect_completions``."""
        return collect_completions(self.model, self.items, self.layers, tuple(self.states.instructed), self.progress)

    def vectors(self, target: Modality, layer: int, contrast: Contrast) -> Tensor:
        """Return each item's steering vector, ``(items, hidden)``: the target's state less the mean of the others'."""
        if contrast == "instruction":
            return self.states.steering_vectors(target, layer)
        found = self.completed
        return found[target][layer] - torch.stack([found[m][layer] for m in others(target, found)]).mean(0)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the items learned from."""
        return items_fingerprint(self.items)

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """Whose answer the model gives to each item without steering, by its greedy open answer."""
        prompts = [prompt_for(item) for item in self.items]
        texts = generate(self.model, prompts, progress=self.progress).texts
        return tuple(judge(text, item).label for text, item in zip(texts, self.items, strict=True))

    def part(self, items: int | None = None, tasks: Sequence[str] | None = None) -> TrainingSet:
        """Return some of the items with what is known about them; the whole, if nothing is asked for.

        Args:
            items: So many, the first ones; all, if there are fewer.
            tasks: Those of these tasks alone.

        Raises:
            UsageError: None is left.
        """
        if items is None and tasks is None:
            return self
        kept = [i for i, item in enumerate(self.items) if tasks is None or item.task in tasks][:items]
        if len(kept) == len(self.items):
            return self
        if not kept:
            known = sorted({item.task for item in self.items})
            raise UsageError(
                f"`tasks` of TrainingSet.part must leave at least one item; got {tasks}, which leave none"
                + did_you_mean(tasks[0] if tasks else "", known, f"there are {', '.join(known)}")
            )
        return _Part(self, kept)

    def once(self, key: Hashable, measure: Callable[[], Found]) -> Found:
        """Return what a method measures on the items, for all its fits: measured when first asked for by this key."""
        if key not in self._once:
            self._once[key] = measure()
        return self._once[key]

    def check_target(self, target: Modality, owner: str) -> None:
        """Refuse to follow what the items do not have.

        Raises:
            UsageError: They have no such modality.
        """
        known = self.states.instructed
        if target not in known:
            raise UsageError(
                f"`target` of {owner} must be a modality of the training items ({', '.join(known)}); got {target!r}; "
                "give items that have it."
            )

    def shares(self, method: Method) -> dict[Modality, Tensor]:
        """Return each modality's share in each item without an instruction, ``(items,)``, NaN where it has none."""
        if method not in self._shares:
            found = measure(self.model, self.items, method=method, progress=self.progress)
            by_id = {c.item_id: c.shares for c in found}
            self._shares[method] = {
                modality: torch.tensor(
                    [by_id.get(item.id, {}).get(modality, math.nan) for item in self.items], dtype=torch.float64
                )
                for modality in self.states.instructed
            }
        return self._shares[method]


class _Part(TrainingSet):
    """Some items of a training set; what is computed is computed for the whole, once."""

    def __init__(self, whole: TrainingSet, kept: list[int]) -> None:
        super().__init__(whole.model, [whole.items[i] for i in kept], whole.layers, whole.progress)
        self._whole, self._kept = whole, kept

    @cached_property
    def states(self) -> States:
        """The states of the items kept."""
        return self._whole.states.at(self._kept)

    @cached_property
    def completed(self) -> dict[Modality, dict[int, Tensor]]:
        """The states of the items kept under forced answers."""
        return {
            modality: {layer: states[self._kept] for layer, states in found.items()}
            for modality, found in self._whole.completed.items()
        }

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The labels of the items kept."""
        return tuple(self._whole.labels[i] for i in self._kept)

    def shares(self, method: Method) -> dict[Modality, Tensor]:
        """Return the shares in the items kept."""
        return {modality: shares[self._kept] for modality, shares in self._whole.shares(method).items()}
