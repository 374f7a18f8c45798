"""Low-rank adapters: a folder that names the model they belong to."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, cast

from trimtab.errors import MissingDependencyError, UnsupportedModelError
from trimtab.models.model import Model

ADAPTER = "adapter_config.json"


def base_of(path: str | Path) -> str | None:
    """Return the model that a folder's adapters belong to; None if it is not a folder of adapters.

    Raises:
        UnsupportedModelError: The adapters do not say which model they belong to.
    """
    found = Path(path) / ADAPTER
    if not found.is_file():
        return None
    base = json.loads(found.read_text()).get("base_model_name_or_path")
    if not base:
        raise UnsupportedModelError(
            f"`base_model_name_or_path` in {found} must name the adapters' model; it is {base!r}."
        )
    return base


def merge(model: Model, path: str | Path) -> None:
    """Add a folder's adapters to the weights of the model they belong to.

    Merged, they cost nothing at run time and the model has the parts that its family file names.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingDependencyError(
            f"`name_or_path` of load is a folder of adapters, {path}, which needs peft; run: pip install "
            "'trimtab[train]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that goes in its version 6
        adapted = PeftModel.from_pretrained(cast(Any, model.hf), str(path))
    cast(Any, adapted).merge_and_unload()
    model.hf.requires_grad_(False).eval()
    model.name = str(path)
