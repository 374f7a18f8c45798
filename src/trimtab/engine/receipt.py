"""What an edit really touched: the proof that it was applied."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from trimtab.errors import NothingEditedError

UNLISTED = ("measured", "passes")
"""What an entry keeps for itself."""


@dataclass
class Entry:
    """One kind of edit at one layer, summed over rows and forward passes.

    Attributes:
        edit: The kind of edit and its rule of positions.
        layer: Decoder block, 0-based.
        rows: Rows the edit was applied to.
        prompt_positions: Prompt tokens changed.
        generated_positions: Generated tokens changed.
        relative_change: Mean of ``|change| / |state|`` over the positions measured.
        measured: Positions that mean is over.
        passes: Forward passes in which the edit was reached, whether or not it touched anything.
    """

    edit: str
    layer: int
    rows: int = 0
    prompt_positions: int = 0
    generated_positions: int = 0
    relative_change: float = 0.0
    measured: int = 0
    passes: int = 0

    def measure(self, changes: list[float]) -> None:
        """Average further relative changes in."""
        total = self.relative_change * self.measured + sum(changes)
        self.measured += len(changes)
        self.relative_change = total / self.measured if self.measured else 0.0


@dataclass
class Receipt:
    """All edits of a run, a generation or a ``with applied(...)`` block."""

    entries: dict[tuple[str, int], Entry] = field(default_factory=dict)

    def entry(self, edit: str, layer: int) -> Entry:
        """Return the entry of an edit at a layer, made on first use."""
        return self.entries.setdefault((edit, layer), Entry(edit, layer))

    def add(self, other: Receipt) -> None:
        """Add another receipt's counts to this one."""
        for key, theirs in other.entries.items():
            mine = self.entry(*key)
            mine.rows += theirs.rows
            mine.prompt_positions += theirs.prompt_positions
            mine.generated_positions += theirs.generated_positions
            mine.passes += theirs.passes
            mine.measure([theirs.relative_change] * theirs.measured)

    @property
    def positions(self) -> int:
        """Positions changed in all."""
        return sum(e.prompt_positions + e.generated_positions for e in self.entries.values())

    def require_hits(self) -> None:
        """Refuse silence.

        Raises:
            NothingEditedError: An edit touched no position.
        """
        for e in self.entries.values():
            if e.passes == 0:
                raise NothingEditedError(
                    f"`{e.edit}` at layer {e.layer} must touch at least one position; that layer never ran while the "
                    "edit was in force: nothing was run, only lower layers were, or the model runs around its own "
                    "modules (a compiled graph, an exported program); run the modules that trimtab.load returned."
                )
            if e.prompt_positions + e.generated_positions == 0:
                raise NothingEditedError(
                    f"`{e.edit}` at layer {e.layer} must touch at least one position; it touched 0 of {e.rows} rows; "
                    "choose other `positions`, or generate tokens for it to act on."
                )

    def table(self) -> list[dict[str, Any]]:
        """Return the entries as plain rows."""
        return [{k: v for k, v in asdict(e).items() if k not in UNLISTED} for e in self.entries.values()]

    def __str__(self) -> str:
        if not self.entries:
            return "no edits"
        return "; ".join(
            f"{e.edit} at layer {e.layer}: {e.rows} rows, {e.prompt_positions} prompt + {e.generated_positions} "
            f"generated positions, relative change {e.relative_change:.3f}"
            for e in self.entries.values()
        )
