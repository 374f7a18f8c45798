"""Folders of tiny checkpoints, whole and broken in one place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from trimtab.models import Model, save_processors


def save(model: Model, folder: Path, **options: Any) -> Path:
    """Write a model as released ones are."""
    hf: Any = model.hf
    hf.save_pretrained(folder, **options)
    model.tokenizer.save_pretrained(folder)
    save_processors(model.processors, folder)
    (folder / "chat_template.jinja").write_text(model.chat_template)
    return folder


def copy(source: Path, to: Path) -> Path:
    shutil.copytree(source, to)
    return to


def edit(folder: Path, file: str, **changes: Any) -> None:
    """Change fields of a JSON file; None takes a field away."""
    path = folder / file
    held = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in held.items() if value is not None}))


def edit_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]], file: str = "model") -> None:
    path = folder / f"{file}.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
