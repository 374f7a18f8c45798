"""Which items of a study a model can take: found once, stored as a step, and the same after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.engine import ModelOrEngine
from trimtab.items import Item, Items, Skipped
from trimtab.items.admission import admit_items
from trimtab.steering.states import instructed
from trimtab.studies.kit.protocols import PROTOCOLS
from trimtab.studies.kit.run_folder import StepResult

COLUMNS = ("model", "split", "row", "id", "reason")


def left_out(model: ModelOrEngine, splits: dict[str, Items], protocols: Sequence[str], new_tokens: int) -> StepResult:
    """Ask a model for every item whether it takes it, plainly, under either instruction and in every protocol.

    Args:
        model: The model.
        splits: Items by the name of their split; one that is empty is left alone.
        protocols: Keys of ``PROTOCOLS``.
        new_tokens: Longest answer.

    Returns:
        A row for each item that it does not take: ``model, split, row, id, reason``.

    Raises:
        UsageError: It takes none of a split.
    """
    from pandas import DataFrame

    rows: list[dict[str, Any]] = []

    def asked(item: Item) -> list[Any]:
        return [prompt for name in protocols for prompt in PROTOCOLS[name].prompts(item)]

    for split, items in splits.items():
        if not items:
            continue
        what = f"`items` of the split {split!r} of the study"
        found = admit_items(model, items, asked, what, also=instructed, new_tokens=new_tokens, conflicts=True)
        found.require(what)
        rows += [
            {"model": model.name, "split": split, "row": row, "id": items[row - 1].id, "reason": reason}
            for row, reason in found.skipped
        ]
    return StepResult(DataFrame(rows, columns=list(COLUMNS)), {"skipped": len(rows)})


def without(items: Items, split: str, rows: Sequence[dict[str, Any]]) -> Items:
    """Return the items of a split that are not among the rows of ``left_out``."""
    own = {row["id"]: Skipped(int(row["row"]), row["reason"]) for row in rows if row["split"] == split}
    return Items((item for item in items if item.id not in own), [*items.skipped, *own.values()])
