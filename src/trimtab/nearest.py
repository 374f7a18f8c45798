"""What somebody may have meant by a name that is not known: the end of many an error's sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path


def did_you_mean(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """Return the end of a sentence that refuses a name.

    Args:
        name: What was given.
        known: What could have been given.
        otherwise: The remedy where nothing is near.

    Returns:
        ``"; did you mean 'this'?"``, or the remedy behind a semicolon, or else a full stop.
    """
    near = get_close_matches(str(name), [*known], n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; {otherwise}." if otherwise else "."


def did_you_mean_path(path: Path, fits: Callable[[Path], bool], otherwise: str) -> str:
    """Return the end of a sentence that refuses a path: what lies beside it under a name like it, if anything does.

    Args:
        path: What was given.
        fits: Whether a path could have been given.
        otherwise: The remedy where nothing is near.
    """
    try:
        beside = [other.name for other in path.parent.iterdir() if fits(other)]
    except OSError:
        beside = []
    near = get_close_matches(path.name, beside, n=1)
    return f"; did you mean '{path.with_name(near[0])}'?" if near else f"; {otherwise}."
