"""Rules that the arguments of several entries share."""

from __future__ import annotations

from numbers import Integral

from trimtab.engine.capability import Sizes
from trimtab.engine.edits import Edit
from trimtab.errors import UsageError


def check_count(value: object, name: str, owner: str) -> int:
    """Return a whole number from 1.

    Raises:
        UsageError: With the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise UsageError(f"`{name}` of {owner} must be at least 1, a whole number; got {value!r}.")
    return int(value)


def check_edits(model: Sizes, edits: object, owner: str) -> tuple[Edit, ...]:
    """Return edits as a tuple, each checked on the model.

    Raises:
        UsageError: It is no sequence of edits, or an edit does not fit the model.
    """
    if not isinstance(edits, (tuple, list)) or not all(isinstance(edit, Edit) for edit in edits):
        raise UsageError(
            f"`edits` of {owner} must be a tuple of edits, such as (AddVector(...),); got {_shown(edits)}; put a "
            "single edit in a tuple."
        )
    for edit in edits:
        edit.check(model)
    return tuple(edits)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
