"""What every way of measuring contributions has in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, NamedTuple, Protocol

from torch import Tensor

from trimtab.contribution.spans import TextSpan
from trimtab.engine import Encoded, Prompt, Row, run
from trimtab.engine.encoded import describe
from trimtab.engine.local.memory import halving, rows_within
from trimtab.items import Item
from trimtab.models import Model
from trimtab.progress import Advance

CHUNK = 64
"""Questions whose versions are answered in one run, so that progress shows and logits do not pile up."""


@dataclass(frozen=True, eq=False)
class Question:
    """An item made ready to be measured: its prompt, also as tokens."""

    item: Item
    prompt: Prompt
    encoded: Encoded


class Scores(NamedTuple):
    """What a method says of one question: the score of each modality, and the visual ratio."""

    image: float
    text: float
    ratio: float

    @classmethod
    def of(cls, image: float, text: float) -> Scores:
        """Make the ratio of two scores: the image's share of their sizes; NaN if both are 0."""
        total = abs(image) + abs(text)
        return cls(image, text, abs(image) / total if total > 0 else math.nan)


class Method(Protocol):
    """A way of measuring contributions: a frozen dataclass of its options."""

    name: ClassVar[str]

    @property
    def text(self) -> TextSpan:
        """What the text modality is; an item without it cannot be measured."""
        ...

    @property
    def seed(self) -> int:
        """Seed of everything random; a method without randomness has one and does not use it."""
        ...

    def scores(self, model: Model, questions: Sequence[Question], advance: Advance | None = None) -> list[Scores]:
        """Score questions.

        Args:
            model: The model.
            questions: At least one.
            advance: Called with the number of questions just finished.

        Returns:
            Scores in the questions' order.
        """
        ...


def answers_in_chunks(
    model: Model, versions: Iterable[Sequence[Prompt | Encoded]], advance: Advance | None
) -> Iterator[Tensor]:
    """Answer several versions of each question and yield each question's logits, ``(versions, vocabulary)``.

    Versions are made as they are needed: they may hold pictures of their own.
    """
    waiting = iter(versions)
    while chunk := list(islice(waiting, CHUNK)):
        logits = run(model, [Row(prompt) for question in chunk for prompt in question]).logits
        yield from logits.view(len(chunk), -1, logits.shape[-1])
        if advance:
            advance(len(chunk))


def in_batches(
    model: Model,
    questions: Sequence[Question],
    compute: Callable[[Sequence[Question]], list[Scores]],
    advance: Advance | None,
) -> list[Scores]:
    """Score questions by full passes over batches of like length that fit in memory."""
    order = sorted(range(len(questions)), key=lambda i: -len(questions[i].encoded))
    width = 12 * model.hidden_size + 3 * model.text_config.intermediate_size
    row_bytes = 4 * len(questions[order[0]].encoded) * model.n_layers * width
    found: dict[int, Scores] = {}
    size = model.batch_size or min(CHUNK, rows_within(model, row_bytes))
    for start, end, scores in halving(
        model,
        size,
        len(order),
        lambda a, b: compute([questions[i] for i in order[a:b]]),
        lambda place: describe(questions[order[place]].encoded),
    ):
        found.update(zip(order[start:end], scores, strict=True))
        if advance:
            advance(end - start)
    return [found[i] for i in range(len(questions))]
