"""Reading what verbs are given: models, items, artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.console import remark

if TYPE_CHECKING:
    from trimtab.data import Items
    from trimtab.models import Model


def load_model(name: str) -> Model:
    """Load a model.

    Raises:
        UsageError: There is none of that name.
        UnsupportedModelError: It is of an unknown family, or failed its self-check.
    """
    import trimtab

    return trimtab.load(name)


def load_items(
    source: str,
    *,
    split: str | None = None,
    images: Path | None = None,
    skip_missing: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Items:
    """Read items, take a balanced part of them if asked to, and say how many were left out.

    Raises:
        UsageError: The source is of no known kind.
        DataError: It cannot be read, or holds no usable item.
        MissingImageError: Images are missing.
    """
    import trimtab
    from trimtab.study import choose_items

    items = trimtab.read_items(source, split, images, skip_missing=skip_missing)
    say_skipped(len(items.skipped), source)
    return items if limit is None else choose_items(items, limit, seed)


def say_skipped(count: int, where: str) -> None:
    """Say on stderr how many items were left out, if any."""
    if count:
        remark(f"Skipped {count} items of {where}.")
