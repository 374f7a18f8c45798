"""A study's configuration file: the fields of ``Plan`` as YAML."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from trimtab.errors import UsageError
from trimtab.study.plan import Plan

LISTS = ("models", "methods", "protocols", "targets", "depths", "strengths")
"""Fields that hold several values."""


def read_plan(path: str | Path) -> Plan:
    """Read a plan.

    Args:
        path: A YAML file with fields of ``Plan``; those left out keep their defaults, and the name is the file's.

    Raises:
        UsageError: It cannot be read, or holds what no plan has.
    """
    path = Path(path)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"`CONFIG` of study must be a readable YAML file; {path} is not ({error}).") from error
    if not isinstance(found, dict):
        raise UsageError(f"`CONFIG` of study must hold fields and values; {path} holds {type(found).__name__}.")
    known = {field.name: field for field in fields(Plan)}
    for key, value in found.items():
        if key not in known:
            raise UsageError(f"`CONFIG` of study must hold fields among {', '.join(known)}; {path} has {key!r}.")
        _check_type(path, key, value, getattr(Plan(), key))
    lists = {key: tuple(found[key]) for key in LISTS if key in found}
    return Plan(**{"name": path.stem, **found, **lists})


def _check_type(path: Path, key: str, value: Any, default: Any) -> None:
    wanted = {tuple: list, float: (int, float)}.get(type(default), type(default))
    if not isinstance(value, wanted) or isinstance(value, bool):
        kind = "a list" if key in LISTS else f"like {default!r}"
        raise UsageError(f"`{key}` of {path} must be {kind}; got {value!r}.")
