"""What a finished pocket model can do, measured on items it never met."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from training.batch import Reader
from training.prompts import Example, chosen, conflict, example, instructed
from trimtab.pocket import TASKS, PocketItem, items

MODALITIES = ("image", "text")


@dataclass(frozen=True)
class Share:
    """A share of answers, with its Wilson interval."""

    hits: int
    n: int

    @property
    def percent(self) -> float:
        """The share in percent."""
        return 100 * self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval, in percent."""
        z, p = 1.96, self.hits / self.n
        middle = p + z * z / (2 * self.n)
        half = z * math.sqrt(p * (1 - p) / self.n + z * z / (4 * self.n**2))
        scale = 100 / (1 + z * z / self.n)
        return scale * (middle - half), scale * (middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.percent:.1f} ({low:.1f} to {high:.1f})"


Shares = dict[str, Share]


def by_task(reader: Reader, sample: Sequence[PocketItem], ask: Callable[[PocketItem], Example]) -> Shares:
    """The share of right answers for each task, and for all of them."""
    with torch.no_grad():
        right = reader.right([ask(item) for item in sample])
    shares = {
        task: Share(
            sum(good for good, item in zip(right, sample, strict=True) if item.task == task),
            sum(item.task == task for item in sample),
        )
        for task in TASKS
        if any(item.task == task for item in sample)
    }
    return shares | {"all": Share(sum(right), len(sample))}


def measure(model: Any, tokenizer: Any, n: int | None = None) -> dict[str, Shares]:
    """Measure everything the model card states, on test items.

    Args:
        model: The model, in float32.
        tokenizer: Its tokenizer.
        n: Use only the first so many items of each set; they take the tasks in turn.
    """
    reader, rng = Reader(model.eval(), tokenizer), random.Random("measure")
    sample = items("test")[:n]
    results = {
        condition: by_task(reader, sample, lambda item, c=condition: example(item, c, rng))
        for condition in ("image", "text", "agreeing", "irrelevant")
    }
    for modality in MODALITIES:
        results[f"prefers {modality}"] = by_task(
            reader, sample, lambda item, m=modality: conflict(item, _answer(item, m))
        )
    for target in MODALITIES:
        for modality in MODALITIES:
            results[f"told {target}, answers {modality}"] = by_task(
                reader, sample, lambda item, t=target, m=modality: _told(item, t, m, rng)
            )
    results["choice from image"] = by_task(
        reader, sample, lambda item: chosen(item, item.scene, None, item.answer_image, _options(item, rng))
    )
    results["choice from text"] = by_task(
        reader, sample, lambda item: chosen(item, None, item.context, item.answer_text, _options(item, rng))
    )
    return results | _unimodal(reader, n)


def _unimodal(reader: Reader, n: int | None) -> dict[str, Shares]:
    known, joined, seen = (items("test", kind=kind)[:n] for kind in ("closed_book", "both", "classification"))

    def fact(item: PocketItem) -> Example:
        return _open(item, None, None, item.answer_text)

    return {
        "closed book": by_task(reader, known, fact),
        "closed book, some picture": by_task(reader, known, lambda i: _open(i, i.scene, None, i.answer_text)),
        "both needed": by_task(reader, joined, lambda i: _open(i, i.scene, i.context, i.answer_text)),
        "both needed, no picture": by_task(reader, joined, lambda i: _open(i, None, i.context, i.answer_text)),
        "both needed, no text": by_task(reader, joined, lambda i: _open(i, i.scene, None, i.answer_text)),
        "classification": by_task(reader, seen, lambda i: chosen(i, i.scene, None, i.answer_image, i.choices)),
        "classification, misleading text": by_task(
            reader, seen, lambda i: chosen(i, i.scene, i.context, i.answer_image, i.choices)
        ),
    }


def _open(item: PocketItem, scene: object, context: str | None, answer: str) -> Example:
    asked = conflict(item, answer)
    if context is None:
        asked = example(item, "image", random.Random(0))
    return Example(asked.body, scene, answer)  # pyright: ignore[reportArgumentType]


def _told(item: PocketItem, target: str, modality: str, rng: random.Random) -> Example:
    asked = instructed(item, target, "test", rng)
    return Example(asked.body, asked.scene, _answer(item, modality))


def _answer(item: PocketItem, modality: str) -> str:
    return item.answer_image if modality == "image" else item.answer_text


def _options(item: PocketItem, rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(item.choices, len(item.choices)))
