"""The options of every verb that reads items and may use a part of them, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.cli.inputs import load_items
from trimtab.cli.options import Images, Limit, SkipMissing, Split
from trimtab.cli.running import check_images
from trimtab.cli.spreading import spread

if TYPE_CHECKING:
    from trimtab.items import Items


@dataclass(frozen=True)
class Reading:
    """Which items of a source a verb uses; each attribute is the option of its name."""

    limit: int | None
    split: str | None
    images: Path | None
    skip_missing: bool

    def items(self, source: str, seed: int) -> Items:
        """Read the items of a source; see ``load_items``."""
        return load_items(
            source,
            split=self.split,
            images=self.images,
            skip_missing=self.skip_missing,
            limit=self.limit,
            seed=seed,
        )

    def as_planned(self) -> dict[str, Any]:
        """Return the same as the fields of a plan.

        Raises:
            UsageError: ``images`` is no folder.
        """
        return {
            "limit": self.limit,
            "images": check_images(self.images),
            "split": self.split or "",
            "skip_missing": self.skip_missing,
        }


OPTIONS: dict[str, tuple[Any, Any]] = {
    "limit": (Limit, None),
    "split": (Split, None),
    "images": (Images, None),
    "skip_missing": (SkipMissing, False),
}


def reads(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options above; it gets them as its parameter ``reading``."""
    return spread(verb, "reading", OPTIONS, lambda given: Reading(**given))
