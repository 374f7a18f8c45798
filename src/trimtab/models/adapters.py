"""Low-rank adapters: a folder that names the model they belong to."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, cast

from trimtab import pocket
from trimtab.errors import MissingDependencyError, UnsupportedModelError, UsageError
from trimtab.models.model import Model
from trimtab.models.source import Source, find, read_json

ADAPTER = "adapter_config.json"


def resolve(source: Source) -> tuple[Source, list[str]]:
    """Follow adapters to the model they belong to.

    Args:
        source: What was asked for.

    Returns:
        The model, and the folders of adapters to merge into it, first to last; none for a model.

    Raises:
        UsageError: The adapters' model is nowhere, or a file is broken.
        UnsupportedModelError: The adapters do not say which model they belong to, or belong to themselves.
    """
    folders: list[str] = []
    while (config := _config(source)) is not None:
        folder = str(config.parent.resolve())
        if folder in folders:
            raise UnsupportedModelError(
                f"`base_model_name_or_path` in {config} must lead to a model; it leads back to {folder}; name the "
                "model that the adapters were trained on."
            )
        folders.append(folder)
        source = _base(config, source)
    return source, folders[::-1]


def _config(source: Source) -> Path | None:
    return source.file(ADAPTER)


def _base(config: Path, source: Source) -> Source:
    """Find the model that adapters belong to; a relative folder is looked for beside the adapters first."""
    name = read_json(config).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise UnsupportedModelError(
            f"`base_model_name_or_path` in {config} must name the adapters' model; it is {name!r}; write it there."
        )
    if name in pocket.CHECKPOINTS:
        return find(name)
    around = (config.parent / name, config.parent.parent / name, Path(name))
    for folder in around:
        if folder.is_dir():
            return find(folder)
    try:
        options = source.options
        return find(name, token=options.get("token"), local_files_only=bool(options.get("local_files_only")))
    except UsageError as error:
        places = " or ".join(dict.fromkeys(str(folder.parent.resolve()) for folder in around))
        raise UsageError(
            f"`base_model_name_or_path` in {config} must name a bundled model, a folder or a Hub id; there is no "
            f"{name!r} in {places}, nor on the Hub; write there where the adapters' model is now."
        ) from error


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
