"""Contributions of the two modalities, item by item."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from trimtab.items import Skipped

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Contribution:
    """The contribution of each modality to the answer of one item.

    Attributes:
        item_id: The item.
        task: Its task.
        image: Score of the image; comparable within a model, not between models. The Modality Contribution Score is at
            least 0; methods that ask what a modality does to the answer's probability may be below.
        text: Score of the text.
        ratio: Visual ratio ``|image| / (|image| + |text|)``, in 0..1; NaN if neither modality reaches the answer.
    """

    item_id: str
    task: str
    image: float
    text: float
    ratio: float


class Contributions(list[Contribution]):
    """Contributions in the items' order, with the items left out on the way in ``skipped``."""

    def __init__(self, contributions: Iterable[Contribution] = (), skipped: Iterable[Skipped] = ()) -> None:
        super().__init__(contributions)
        self.skipped = list(skipped)

    def rows(self) -> list[dict[str, Any]]:
        """Return plain rows, as a Parquet or JSON file takes them."""
        return [asdict(c) for c in self]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Contributions:
        """Make contributions from what ``rows`` returned; further columns are left alone."""
        return cls(
            Contribution(str(r["item_id"]), str(r["task"]), *(float(r[k]) for k in ("image", "text", "ratio")))
            for r in rows
        )

    def table(self) -> DataFrame:
        """Return one row an item: ``item_id, task, image, text, ratio``."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["item_id", "task", "image", "text", "ratio"])

    def ratio_by_task(self) -> dict[str, float]:
        """Return the mean visual ratio of each task, by name, over the items that have one; NaN if none has."""
        ratios: dict[str, list[float]] = {c.task: [] for c in sorted(self, key=lambda c: c.task)}
        for c in self:
            if not math.isnan(c.ratio):
                ratios[c.task].append(c.ratio)
        return {task: fmean(found) if found else math.nan for task, found in ratios.items()}
