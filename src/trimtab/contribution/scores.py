"""Contributions of the modalities, item by item."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from trimtab.errors import UsageError
from trimtab.items import Skipped
from trimtab.modalities import MODALITIES, PAIR, Modality, in_order

if TYPE_CHECKING:
    from pandas import DataFrame

RATIO = "ratio"
"""Column of the visual ratio: the image's share, where image and text alone were measured."""

SHARE = "share_{}"
"""Column of a modality's share, where there are others than image and text."""

SYNERGY = "synergy"
"""Column of what modalities give together beyond what each gives alone."""


class Scores(NamedTuple):
    """What a method says of one item.

    Attributes:
        values: The score of each modality, in the order of tables.
        shares: What each is of all, in 0..1; NaN if no modality reaches the answer.
        synergy: What all give together beyond what each gives alone; None where a method does not ask.
    """

    values: Mapping[Modality, float]
    shares: Mapping[Modality, float]
    synergy: float | None = None

    @classmethod
    def of(cls, values: Mapping[Modality, float], synergy: float | None = None) -> Scores:
        """Give each modality its share of the scores' sizes."""
        total = sum(map(abs, values.values()))
        shares = [abs(value) / total if total > 0 else math.nan for value in values.values()]
        return cls.shared(values, shares, synergy)

    @classmethod
    def shared(cls, values: Mapping[Modality, float], shares: Sequence[float], synergy: float | None = None) -> Scores:
        """Take shares as they are; of two, the second is what the first leaves, as where only the first is kept."""
        own = (shares[0], 1 - shares[0]) if len(shares) == 2 else shares
        return cls(dict(values), dict(zip(values, own, strict=True)), synergy)


@dataclass(frozen=True)
class Contribution:
    """The contribution of each modality to the answer of one item.

    Attributes:
        item_id: The item.
        task: Its task.
        scores: The score of each modality measured, in the order of tables. Scores are comparable within a model, not
            between models. The Modality Contribution Score is at least 0; methods that ask what a modality does to the
            answer's probability may be below.
        shares: What each score's size is of all, in 0..1; NaN if no modality reaches the answer.
        synergy: What all modalities give together beyond the sum of what each gives alone: about 1 where the answer
            needs them together, about -1 where each alone is enough, about 0 where one alone decides. None for
            methods that do not ask; see ``Shapley``.
    """

    item_id: str
    task: str
    scores: Mapping[Modality, float]
    shares: Mapping[Modality, float]
    synergy: float | None = None

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities measured, in the order of tables."""
        return tuple(self.scores)

    def share(self, modality: Modality) -> float:
        """Return a modality's share.

        Raises:
            UsageError: It was not measured.
        """
        return self._of(self.shares, modality)

    @property
    def image(self) -> float:
        """Score of the image."""
        return self._of(self.scores, "image")

    @property
    def text(self) -> float:
        """Score of the text."""
        return self._of(self.scores, "text")

    @property
    def ratio(self) -> float:
        """Visual ratio: the share of the image, where image and text alone were measured.

        Raises:
            UsageError: Others were.
        """
        if self.modalities != PAIR:
            raise UsageError(
                f"`ratio` of a contribution must be that of image and text; item {self.item_id} was measured for "
                f"{', '.join(self.modalities)}; use share(modality)."
            )
        return self.shares["image"]

    def row(self) -> dict[str, Any]:
        """Return it as plain columns; see ``Contributions.rows``."""
        return {"item_id": self.item_id, "task": self.task, **columns(Scores(self.scores, self.shares, self.synergy))}

    def _of(self, numbers: Mapping[Modality, float], modality: Modality) -> float:
        if modality not in numbers:
            raise UsageError(
                f"`modality` of a contribution must be one that was measured; item {self.item_id} was measured for "
                f"{', '.join(self.modalities)}; got {modality!r}."
            )
        return numbers[modality]


def columns(scores: Scores) -> dict[str, float]:
    """Return what a method says as columns: ``image, text, ratio``; for others a score and a share of each.

    There is a column ``synergy`` if the method knows it.
    """
    values, shares, synergy = scores
    known = {} if synergy is None else {SYNERGY: synergy}
    if tuple(values) == PAIR:
        return {**values, RATIO: shares["image"], **known}
    return {**values, **{SHARE.format(name): share for name, share in shares.items()}, **known}


def measured_in(row: Mapping[str, Any]) -> tuple[Modality, ...]:
    """Return what a row of ``Contributions`` or of a table of it was measured for.

    What was not is missing or NaN there, while a score is finite.
    """
    return in_order(m for m in MODALITIES if row.get(m) is not None and not math.isnan(row[m]))


class Contributions(list[Contribution]):
    """Contributions in the items' order, with the items left out on the way in ``skipped``."""

    def __init__(self, contributions: Iterable[Contribution] = (), skipped: Iterable[Skipped] = ()) -> None:
        super().__init__(contributions)
        self.skipped = list(skipped)

    def rows(self) -> list[dict[str, Any]]:
        """Return plain rows, as a Parquet or JSON file takes them.

        A row of image and text is ``item_id, task, image, text, ratio``; another has a column for each modality's
        score, such as ``audio``, and for its share, such as ``share_audio``, and no ratio. ``synergy`` is a column
        where the method knows it.
        """
        return [c.row() for c in self]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Contributions:
        """Make contributions from what ``rows`` returned, or from a table of it; further columns are left alone."""
        return cls(_restored(row) for row in rows)

    def table(self) -> DataFrame:
        """Return one row an item, with the columns of ``rows``; NaN where a modality was not measured."""
        import pandas as pd

        rows = self.rows()
        present = {name for row in rows for name in row} or {*PAIR, RATIO}
        shares = [SHARE.format(name) for name in MODALITIES]
        names = ["item_id", "task", *(name for name in (*MODALITIES, RATIO, *shares, SYNERGY) if name in present)]
        return pd.DataFrame(rows, columns=names)

    def share_by_task(self, modality: Modality) -> dict[str, float]:
        """Return a modality's mean share for each task, by name, over the items that have one; NaN if none has."""
        found: dict[str, list[float]] = {c.task: [] for c in sorted(self, key=lambda c: c.task)}
        for c in self:
            if not math.isnan(share := c.shares.get(modality, math.nan)):
                found[c.task].append(share)
        return {task: fmean(shares) if shares else math.nan for task, shares in found.items()}

    def ratio_by_task(self) -> dict[str, float]:
        """Return the mean visual ratio of each task, as ``share_by_task`` does.

        Raises:
            UsageError: Others than image and text were measured.
        """
        for c in self:
            _ = c.ratio  # refuses
        return self.share_by_task("image")


def _restored(row: Mapping[str, Any]) -> Contribution:
    """Make a contribution of a row."""
    scores: dict[Modality, float] = {m: float(row[m]) for m in measured_in(row)}
    if tuple(scores) == PAIR:
        ratio = float(row[RATIO])
        shares: dict[Modality, float] = {"image": ratio, "text": 1 - ratio}
    else:
        shares = {m: float(row[SHARE.format(m)]) for m in scores}
    known = row.get(SYNERGY)
    synergy = None if known is None or math.isnan(known) else float(known)
    return Contribution(str(row["item_id"]), str(row["task"]), scores, shares, synergy)
