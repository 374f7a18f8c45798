"""What every way of measuring contributions has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol, TypeVar

from torch import Tensor

from trimtab.contribution.scores import Scores
from trimtab.contribution.spans import TextSpan
from trimtab.engine import Encoded, ModelOrEngine, Prompt, Row, describe, run
from trimtab.engine.local.whitebox import batch_size_of, halving, rows_within
from trimtab.fields import Dataclass
from trimtab.items import Item
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.progress import Advance

Result = TypeVar("Result")

CHUNK = 64
"""Cases whose versions are answered in one run, so that progress shows and logits do not pile up."""


@dataclass(frozen=True, eq=False)
class Case:
    """An item made ready to be measured: its prompt, also as tokens, and what of it is measured.

    Attributes:
        item: The item; None for a prompt that belongs to none.
        prompt: What is asked.
        encoded: The same as tokens.
        modalities: The modalities measured, in the order of tables; each has tokens in the prompt.
    """

    item: Item | None
    prompt: Prompt
    encoded: Encoded
    modalities: tuple[Modality, ...]


class Method(Dataclass, Protocol):
    """A way of measuring contributions: a frozen dataclass of its options; one with randomness has a ``seed``."""

    name: ClassVar[str]

    @property
    def text(self) -> TextSpan:
        """What the text modality is."""
        ...

    @property
    def queried(self) -> int:
        """How many tokens query keys and values of the whole prompt, one after the other; 0 if it asks otherwise."""
        ...

    def scores(self, model: ModelOrEngine, cases: Sequence[Case], advance: Advance | None = None) -> list[Scores]:
        """Score cases.

        Args:
            model: The model.
            cases: At least one, all measured for the same modalities.
            advance: Called with the number of cases just finished.

        Returns:
            Scores in the cases' order.
        """
        ...


def answers_in_chunks(
    model: ModelOrEngine, versions: Iterable[Sequence[Prompt | Encoded]], advance: Advance | None
) -> Iterator[Tensor]:
    """Answer several versions of each case and yield each case's logits, ``(versions, vocabulary)``.

    Versions are made as they are needed: they may hold pictures of their own.
    """
    waiting = iter(versions)
    while chunk := list(islice(waiting, CHUNK)):
        logits = run(model, [Row(prompt) for case in chunk for prompt in case]).logits
        yield from logits.view(len(chunk), -1, logits.shape[-1])
        if advance:
            advance(len(chunk))


def in_batches(
    model: Model,
    cases: Sequence[Case],
    compute: Callable[[Sequence[Case]], list[Result]],
    advance: Advance | None,
) -> list[Result]:
    """Look at cases by full passes over batches of like length that fit in memory."""
    order = sorted(range(len(cases)), key=lambda i: -len(cases[i].encoded))
    width = 12 * model.hidden_size + 3 * model.text_config.intermediate_size
    row_bytes = 4 * len(cases[order[0]].encoded) * model.n_layers * width
    found: dict[int, Result] = {}
    size = batch_size_of(model) or min(CHUNK, rows_within(model, row_bytes))
    for start, end, scores in halving(
        model,
        size,
        len(order),
        lambda a, b: compute([cases[i] for i in order[a:b]]),
        lambda place: describe(cases[order[place]].encoded),
    ):
        found.update(zip(order[start:end], scores, strict=True))
        if advance:
            advance(end - start)
    return [found[i] for i in range(len(cases))]
