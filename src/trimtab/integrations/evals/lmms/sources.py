"""Which items the tasks ask: the bundled ones, or those that the environment names."""

# pyright: reportMissingImports=false

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from loguru import logger

from trimtab.errors import TrimtabError

P = ParamSpec("P")
T = TypeVar("T")


def chosen_source(bundled: Any) -> tuple[str, str | None]:
    """Return what ``trimtab.read_items`` is to read, and the folder of its pictures.

    Args:
        bundled: The documents of the JSON file beside a task, of which the first names the bundled items.
    """
    return os.environ.get("TRIMTAB_ITEMS") or bundled[0]["items"], os.environ.get("TRIMTAB_IMAGES") or None


def told_plainly(function: Callable[P, T]) -> Callable[P, T]:
    """Log an error of trimtab as the sentence it is: lmms-eval tries again, and then names only its trying."""

    @functools.wraps(function)
    def logged(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except TrimtabError as error:
            logger.error(f"trimtab: {error}")
            raise

    return logged
