"""Low-rank adapters: a folder that names the model they belong to."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trimtab.bundled import BUNDLED
from trimtab.errors import MissingDependencyError, TrimtabError, UnsupportedModelError, UsageError
from trimtab.models.checkpoint import check_keys
from trimtab.models.model import Model
from trimtab.models.offload import rests_elsewhere
from trimtab.models.proofs import same_logits
from trimtab.models.self_checks import tiny_logits
from trimtab.models.source import Source, find, first_line, read_json
from trimtab.models.stored import check_tensors

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

ADAPTER = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
NOT_MERGED = ("IA3", "LN_TUNING")
"""Kinds that scale or replace instead of adding: their fingerprint would be that of the model without them."""


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
        for name in WEIGHTS:  # fetched into the same folder, if it is on the Hub
            source.file(name)
        source = _base(config, source)
    return source, folders[::-1]


def _config(source: Source) -> Path | None:
    return source.file(ADAPTER)


def _base(config: Path, source: Source) -> Source:
    """Find the model that adapters belong to; a relative folder is looked for beside the adapters first."""
    held = read_json(config)
    name, revision = held.get("base_model_name_or_path"), held.get("revision")
    if not isinstance(name, str) or not name:
        raise UnsupportedModelError(
            f"`base_model_name_or_path` in {config} must name the adapters' model; it is {name!r}; write it there."
        )
    if name in BUNDLED:
        return find(name)
    around = (config.parent / name, config.parent.parent / name, Path(name))
    for folder in around:
        if folder.is_dir():
            return find(folder)
    try:
        options = source.options
        return find(
            name,
            revision=revision if isinstance(revision, str) and revision else None,
            token=options.get("token"),
            local_files_only=bool(options.get("local_files_only")),
        )
    except UsageError as error:
        places = " or ".join(dict.fromkeys(str(folder.parent.resolve()) for folder in around))
        raise UsageError(
            f"`base_model_name_or_path` in {config} must name a bundled model, a folder or a Hub id; there is no "
            f"{name!r} in {places}, nor on the Hub; write there where the adapters' model is now."
        ) from error


def merge(model: Model, path: str | Path) -> None:
    """Add a folder's adapters to the weights of the model they belong to, and prove that they are what was added.

    Merged, they cost nothing at run time and the model has the parts that its family file names.

    Raises:
        MissingDependencyError: peft is not installed.
        UsageError: A file is missing or broken.
        UnsupportedModelError: The adapters are of a kind that cannot be merged, some of their tensors have no place or
            are missing, or merging changed what the model answers.
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"`name_or_path` of load is a folder of adapters, {path}, which needs peft; run: pip install "
            "'trimtab[train]'"
        ) from error
    if any(rests_elsewhere(module) for module in model.hf.modules()):
        raise UsageError(
            f"`device_map` of load must keep all weights in memory to merge adapters; {path} belongs to a model with "
            "weights on a disk; give `device`, or merge them with peft and load the folder it saves."
        )
    with warnings.catch_warnings():
        # peft asks transformers by a name that goes in its version 6; what else it warns of is checked here.
        warnings.simplefilter("ignore")
        adapted = _adapted(model, path)
        with_adapters = tiny_logits(model)
        with _opening(path):
            adapted.merge_and_unload(safe_merge=True)
    model.hf.requires_grad_(False).eval()
    model.name = str(path)
    model.forget_parts()
    model.forget_media()
    same_logits(model, "merged adapters answer as they did beside the weights", tiny_logits(model), with_adapters)


def _adapted(model: Model, path: str | Path) -> PeftModel:
    """Put the adapters beside the weights, every tensor in its place."""
    from peft import PeftConfig, PeftModel

    if not any((Path(path) / name).is_file() for name in WEIGHTS):
        raise UsageError(
            f"`name_or_path` of load is a folder of adapters, {path}, which has none of {', '.join(WEIGHTS)}; save the "
            "adapters again, or fetch the missing file."
        )
    with _opening(path):
        config = PeftConfig.from_pretrained(str(path))
        kind = str(getattr(config.peft_type, "value", config.peft_type))
        if config.is_prompt_learning or kind in NOT_MERGED:
            raise UnsupportedModelError(
                f"`peft_type` in {Path(path) / ADAPTER} must be one that adds to weights, such as LORA; it is {kind}; "
                "train adapters of that kind, or all weights."
            )
        _check_options(config, path)
        check_tensors(str(path), [f for f in [Path(path) / WEIGHTS[0]] if f.is_file()])
        _untie(model, config, path)
        adapted = PeftModel(model.hf, config)
        placed = adapted.load_adapter(str(path), "default", torch_device="cpu")
    remedy = f"save them again, or name the model they were trained on in {ADAPTER}"
    check_keys(str(path), "the file of adapters", placed.missing_keys, placed.unexpected_keys, remedy=remedy)
    return adapted.eval()


def _check_options(config: PeftConfig, path: str | Path) -> None:
    """Refuse options that are switched on and that this version of peft leaves out: it would compute without them.

    Numbers and whatever is empty are let pass: newer versions write the defaults of all options that they know.
    """
    known = {option.name for option in dataclasses.fields(config)} | {"peft_version", "auto_mapping", "peft_type"}
    stated = read_json(Path(path) / ADAPTER)
    new = [name for name, value in stated.items() if name not in known and _switched_on(value)]
    if new:
        version = stated.get("peft_version")
        raise UnsupportedModelError(
            f"`name_or_path` of load must be adapters that this version of peft knows; {path} has options that it "
            f"would leave out ({', '.join(sorted(new))}); install the version of peft they were saved by"
            f"{f' ({version})' if version else ''}."
        )


def _switched_on(value: object) -> bool:
    return value is True or (isinstance(value, (str, list, dict)) and bool(value))


def _untie(model: Model, config: PeftConfig, path: str | Path) -> None:
    """Give the unembedding weights of its own where adapters change it or the embedding, which shares them.

    Beside the weights such adapters change one of the two; merged into shared weights they would change both.
    """
    hf = model.hf
    head, embedding = hf.get_output_embeddings(), hf.get_input_embeddings()
    tied = head.weight is embedding.weight
    wrapped = [name for name, module in hf.named_modules() if module is head or module is embedding]
    touched = any(_touches(getattr(config, name, None), wrapped) for name in ("target_modules", "modules_to_save"))
    if not tied or not touched:
        return
    if getattr(config, "ensure_weight_tying", False):
        raise UnsupportedModelError(
            f"`ensure_weight_tying` in {Path(path) / ADAPTER} must be false; it is true, which cannot be merged; merge "
            "the adapters with the version of peft they were trained with and load the folder it saves."
        )
    head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
    for part in (hf.config, hf.config.get_text_config()):
        part.tie_word_embeddings = False


def _touches(modules: str | Collection[str] | None, names: list[str]) -> bool:
    """Whether peft's way of naming modules, a pattern or the ends of names, hits one of these."""
    if not modules:
        return False
    if isinstance(modules, str):
        return modules == "all-linear" or any(re.fullmatch(modules, name) for name in names)
    return any(name == end or name.endswith(f".{end}") for name in names for end in modules)


@contextmanager
def _opening(path: str | Path) -> Iterator[None]:
    """Say in one sentence what peft says in many."""
    try:
        yield
    except TrimtabError:
        raise
    except Exception as error:
        raise UsageError(
            f"`name_or_path` of load is a folder of adapters, {path}, which cannot be put on the model it names "
            f"({first_line(error)}); check that it is complete and that `base_model_name_or_path` in its {ADAPTER} is "
            "the model it was trained on."
        ) from error
