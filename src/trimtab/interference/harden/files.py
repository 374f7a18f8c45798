"""JSON files that a run may be killed beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Write a file under a temporary name that then takes its name, so it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(value, indent=1))
    part.replace(path)


def read_json(path: Path) -> Any:
    """Read a file; None if it is not there, or torn."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
