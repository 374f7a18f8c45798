"""A study's configuration file: its kind, and the fields of that kind's plan, as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from trimtab.errors import UsageError
from trimtab.fields import Dataclass, shown
from trimtab.nearest import did_you_mean
from trimtab.plain_yaml import read_yaml
from trimtab.studies.kit.study import StudyPlan, kinds

T = TypeVar("T", bound=Dataclass)

USUAL = "steering"
"""The kind of a file that names none."""


def read_plan(path: str | Path) -> StudyPlan:
    """Read a plan.

    Args:
        path: A YAML file with the ``kind`` of study, steering if it is left out, and fields of its plan; those left out
            keep their defaults, and the name, where a plan has one, is the file's.

    Raises:
        UsageError: It cannot be read, or holds what no plan of its kind has.
    """
    path = Path(path)
    try:
        found = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"`CONFIG` of study must be a readable YAML file; {path} is not ({reason}).") from error
    if not isinstance(found, dict):
        raise UsageError(f"`CONFIG` of study must hold fields and values; {path} holds {_sort(found)}.")
    known, kind = kinds(), found.pop("kind", USUAL)
    try:
        plan = known.named(kind, "`kind` of CONFIG").plan_type
        return _built(plan, ({"name": path.stem} if _has_name(plan) else {}) | found, "`CONFIG` of study")
    except UsageError as error:
        raise UsageError(f"{str(error).rstrip('.')}, in {path}.") from error


def _has_name(plan: type[StudyPlan]) -> bool:
    return any(field.name == "name" for field in fields(plan))


def _built(kind: type[T], found: Mapping[Any, object], owner: str) -> T:
    """Make a configuration of its fields, and those within it of theirs; a list stands for a tuple.

    Raises:
        UsageError: A field is unknown, missing or wrong.
    """
    hints, own = get_type_hints(kind), [field.name for field in fields(kind)]
    for key in found:
        if key not in own:
            meant = did_you_mean(key, own)
            raise UsageError(f"{owner} must hold fields among {', '.join(own)}; it has {shown(key)}{meant}")
    values = {key: _value(hints[key], value, f"`{key}` of {kind.__name__}") for key, value in found.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a field without a default is missing
        raise UsageError(f"{owner} must hold all that {kind.__name__} needs; {error}.") from error


def _value(hint: object, value: object, owner: str) -> object:
    """Return as a tuple or a configuration what a field keeps as one; what is neither is left for its check."""
    if isinstance(value, list):
        return tuple(value)
    within = next((one for one in (hint, *get_args(hint)) if isinstance(one, type) and is_dataclass(one)), None)
    return _built(within, value, owner) if within is not None and isinstance(value, dict) else value


def _sort(found: object) -> str:
    if found is None:
        return "nothing"
    return "a list" if isinstance(found, list) else f"one value, {shown(found)}"
