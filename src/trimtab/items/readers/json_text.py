"""JSON as users' files hold it: what is wrong inside one record spoils that record, not the file.

Python's own reader takes the last of two equal keys without a word, and gives up the whole text at one long number.
"""

from __future__ import annotations

import json
from typing import Any

from trimtab.errors import DataError

LONGEST_NUMBER = 4300
"""Digits of a whole number that Python reads; more would take it long."""


class RepeatedKeys(dict):
    """An object that gives some key twice, so that nobody can say what it means."""

    key: str = ""


class LongNumber:
    """A whole number with more digits than can be read."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def __repr__(self) -> str:
        return f"a number of {self.digits} digits"


def parse_json(text: str) -> object:
    """Parse JSON; objects with a repeated key become ``RepeatedKeys``, endless numbers ``LongNumber``.

    Raises:
        DataError: It is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_object_of, parse_int=_whole)
    except RecursionError as error:
        raise DataError("it is nested too deeply") from error
    except ValueError as error:
        raise DataError(str(error)) from error


def as_object(content: object, what: str) -> dict[str, Any]:
    """Return a record that is a sound object.

    Args:
        content: What ``parse_json`` gave.
        what: What an error calls the record.

    Raises:
        DataError: It is no object, or gives a key twice.
    """
    if not isinstance(content, dict):
        raise DataError(f"{what} must be a JSON object; it is {content!r:.60}.")
    if isinstance(content, RepeatedKeys):
        raise DataError(f"{what} must give each key once; it has {content.key!r:.60} twice.")
    return content


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keys: set[str] = set()
    repeated = RepeatedKeys(found)
    repeated.key = next(key for key, _ in pairs if key in keys or keys.add(key))
    return repeated


def _whole(digits: str) -> int | LongNumber:
    return int(digits) if len(digits) <= LONGEST_NUMBER else LongNumber(len(digits.lstrip("-")))
