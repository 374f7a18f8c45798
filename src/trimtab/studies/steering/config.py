"""A study's configuration file: the fields of ``Plan`` as YAML."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from trimtab.errors import UsageError
from trimtab.fields import shown
from trimtab.studies.kit.plain_yaml import read_yaml
from trimtab.studies.steering.plan import Plan


def read_plan(path: str | Path) -> Plan:
    """Read a plan.

    Args:
        path: A YAML file with fields of ``Plan``; those left out keep their defaults, and the name is the file's.

    Raises:
        UsageError: It cannot be read, or holds what no plan has.
    """
    path = Path(path)
    try:
        found = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"`CONFIG` of study must be a readable YAML file; {path} is not ({reason}).") from error
    if not isinstance(found, dict):
        raise UsageError(f"`CONFIG` of study must hold fields and values; {path} holds {_kind(found)}.")
    known = [field.name for field in fields(Plan)]
    for key in found:
        if key not in known:
            raise UsageError(f"`CONFIG` of study must hold fields among {', '.join(known)}; {path} has {shown(key)}.")
    try:
        return Plan(**{"name": path.stem, **found, **_lists(found)})
    except UsageError as error:
        raise UsageError(f"{str(error).rstrip('.')}, in {path}.") from error


def _lists(found: dict[str, Any]) -> dict[str, Any]:
    """Return as tuples what a plan keeps as tuples; what is no list is left for the plan to refuse."""
    return {key: tuple(value) for key, value in found.items() if isinstance(value, list)}


def _kind(found: Any) -> str:
    if found is None:
        return "nothing"
    return "a list" if isinstance(found, list) else f"one value, {shown(found)}"
