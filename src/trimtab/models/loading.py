"""Load a model by bundled name, folder or Hub id, and prove that trimtab understands it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.modalities import Modality
from trimtab.models import adapters, families  # noqa: F401  (importing families registers them)
from trimtab.models.checkpoint import DTYPES as DTYPES
from trimtab.models.checkpoint import (
    Precision,
    family_of,
    load_weights,
    not_loaded,
    precision,
    quantization,
    read_config,
    untied,
)
from trimtab.models.decoding_settings import overridden, read_generation_config
from trimtab.models.emulation import emulated
from trimtab.models.family import Family
from trimtab.models.hugging_face import Configuration, FastTokenizer, HuggingFaceModel
from trimtab.models.model import Model
from trimtab.models.parts import check_parts, choose_template, dated, left_out, open_tokenizer
from trimtab.models.processors import open_processors, understood
from trimtab.models.report import PHOTO, LoadReport
from trimtab.models.self_checks import self_check
from trimtab.models.source import Source, find, reading
from trimtab.models.stored import weight_files

MAX_PIXELS = 1280 * 28 * 28
"""Most pixels of a picture, unless told otherwise: what Qwen2.5-VL's model card suggests, 1,280 positions."""
ATTENTIONS = ("sdpa", "eager")


def load(
    name_or_path: str | Path,
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    device_map: str | dict[str, Any] | None = None,
    attention: str | None = None,
    check: bool = True,
    max_pixels: int | None = MAX_PIXELS,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> Model:
    """Load a multimodal model.

    Code that a checkpoint brings along is never run. What loading found is in ``model.report``.

    Args:
        name_or_path: A bundled name (``"pocket-qwen"``, ``"pocket-llava"``, ``"smol-llava"``), a local folder, or a Hub
            id. A folder of adapters (``trimtab harden``) loads the model they belong to and merges them. What
            smol-llava is made of is put together in the user's cache on first use.
        dtype: ``"float32"``, ``"bfloat16"``, ``"float16"`` or a torch dtype. Left out: float32 for bundled
            models, otherwise the checkpoint's own, but on a CPU bfloat16 in place of float16.
        device: Where to put the model. Left out: CUDA if there is one, otherwise the CPU.
        device_map: Passed to ``from_pretrained`` to spread a large model; excludes ``device``.
        attention: ``"sdpa"`` or ``"eager"``. Left out: ``"sdpa"``, where the family has it.
        check: Run the self-check, a few tiny forward passes.
        max_pixels: Most pixels of a picture or of a clip's frame; larger ones are scaled down. None keeps the
            checkpoint's own limit; a checkpoint whose limit is lower than the default keeps it. It acts where a
            picture's positions grow with its size (Qwen2.5-VL); others scale every picture to one size.
        revision: Branch, tag or commit of a Hub id.
        token: Access token for a private or gated Hub id; True takes the one of ``hf auth login``.
        local_files_only: Read only what was downloaded before.

    Returns:
        The model, frozen and in eval mode.

    Raises:
        UsageError: An argument is wrong, or there is no readable model of that name.
        UnsupportedModelError: The family is unknown, a tensor is missing or left over, a part is missing, or the
            self-check failed.
        MissingDependencyError: It is a folder of adapters and peft is not installed; or smol-llava, and its language
            model is not.
    """
    _check_arguments(device, device_map, attention, max_pixels)
    _check_revision(name_or_path, revision)
    source = find(name_or_path, revision=revision, token=token, local_files_only=local_files_only)
    base, chain = adapters.resolve(source)
    weights = _weights(base, dtype, device, device_map, attention)
    model = _with_parts(base, weights, max_pixels, str(name_or_path), check=check and not chain)
    model.report = replace(model.report, adapters=tuple(chain))
    for folder in chain:
        adapters.merge(model, folder)
    model.name = str(name_or_path)
    if check and chain:
        self_check(model)
    return model


@dataclass(frozen=True, eq=False)
class _Weights:
    """A Hugging Face model with its weights, and what reading them found."""

    hf: HuggingFaceModel
    config: Configuration
    chosen: Precision
    notes: tuple[str, ...]


def _weights(
    base: Source,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
    device_map: str | dict[str, Any] | None,
    attention: str | None,
) -> _Weights:
    """Read the configuration and the weights, and put them where they are to compute."""
    config = read_config(base)
    where = _device(device) if device_map is None else None
    chosen = precision(base, config, dtype, _on_cpu(where, device_map))
    attention = _attention(base, config, attention)
    generation, notes = read_generation_config(base, config)
    hf = load_weights(
        base,
        config,
        chosen.used,
        device_map=device_map,
        attn_implementation=family_of(config, base.path).attending(config, attention),
        generation_config=generation,
    )
    found = untied(base, hf) + not_loaded(base, config)
    if where is not None:
        with reading(base):
            nn.Module.to(hf, where)
    return _Weights(hf, config, chosen, notes + found)


def _with_parts(base: Source, weights: _Weights, max_pixels: int | None, name: str, *, check: bool) -> Model:
    """Open what belongs to the weights, and report what was found."""
    family = family_of(weights.config, base.path)
    tokenizer, processors = open_tokenizer(base), open_processors(base, family)
    limit = None
    if "image" in processors:
        with understood(family, processors["image"], base.path):
            limit = family.limit_pixels(processors["image"], max_pixels, at_most_own=max_pixels == MAX_PIXELS)
    template = choose_template(base, tokenizer, family, family.written(weights.hf, tokenizer))
    model = from_parts(weights.hf, tokenizer, processors, template, name=name, family=family, check=check)
    model.report = replace(
        model.report,
        dtype_stored=weights.chosen.stored,
        why_dtype=weights.chosen.why,
        max_pixels=limit,
        quantization=quantization(weights.config.to_dict()),
        shards=len(weight_files(base)),
        notes=weights.notes + model.report.notes + dated(template, base.path),
    )
    return model


def from_parts(
    hf: nn.Module,
    tokenizer: object,
    processors: object,
    chat_template: str | None = None,
    *,
    name: str = "model",
    family: Family | None = None,
    check: bool = True,
) -> Model:
    """Wrap a model you have already built.

    Args:
        hf: A Hugging Face model of a known family.
        tokenizer: Its fast tokenizer.
        processors: Its image processor; for a model that is shown more than pictures, a mapping from each modality
            that it is shown to what preprocesses it.
        chat_template: Jinja template of a turn; left out, the tokenizer's.
        name: What to call it in tables and artifacts.
        family: Left out, found by the configuration's ``model_type``.
        check: Try the tokenizer and the template, and run the self-check.

    Raises:
        UnsupportedModelError: The family is unknown, a part is missing, or the self-check failed.
    """
    own = cast(HuggingFaceModel, getattr(hf, "_orig_mod", hf))  # torch.compile's wrapper goes around hooks
    words = cast(FastTokenizer, tokenizer)
    family = family or family_of(own.config, name)
    template = chat_template or getattr(tokenizer, "chat_template", None) or family.template()
    if not template:
        raise UnsupportedModelError(
            f"`chat_template` of {name} must be given: neither the tokenizer nor the checkpoint has one."
        )
    if not getattr(tokenizer, "is_fast", False):
        raise UnsupportedModelError(
            f"`tokenizer` of {name} must be a fast tokenizer, which knows character offsets; got "
            f"{type(tokenizer).__name__}."
        )
    given, notes = _processors(processors, own, words, template, family, name)
    model = Model(own, words, given, template, family, name)
    if check:
        check_parts(model)
    slow = emulated(model.dtype, model.device)
    model.report = replace(_report(model), notes=notes if slow is None else (*notes, slow))
    family.guard(own)
    if check:
        self_check(model)
    return model


def _processors(
    given: object, hf: HuggingFaceModel, tokenizer: FastTokenizer, template: str, family: Family, name: str
) -> tuple[dict[Modality, Any], tuple[str, ...]]:
    """Return the processor of each modality that the model is shown, and a note for each that is left out."""
    found: dict[Modality, Any] = dict(given) if isinstance(given, Mapping) else {"image": given}
    known = family.placeholders(hf)
    if lacking := [kind for kind in known if kind not in found and kind not in family.optional]:
        raise UnsupportedModelError(
            f"`processors` of {name} must have one for each modality that it is shown ({', '.join(known)}); "
            f"{lacking[0]} has none; give a mapping with them."
        )
    without: dict[Modality, str] = {k: "no processor of it was given" for k in family.optional if k not in found}
    without |= left_out(hf, tokenizer, template, family)
    notes = tuple(f"{kind} is left out: {reason}." for kind, reason in without.items())
    return {kind: processor for kind, processor in found.items() if kind not in without}, notes


def _report(model: Model) -> LoadReport:
    limit = photo = None
    if "image" in model.processors:
        pictures = model.processors["image"]  # whatever was handed over
        with understood(model.family, pictures, model.name):
            limit = model.family.limit_pixels(pictures, None)
            photo = model.family.count_positions(model.hf, pictures, *PHOTO)
    return LoadReport(
        dtype=str(model.dtype).removeprefix("torch."),
        max_pixels=limit,
        photo_tokens=photo,
        overridden=overridden(model.hf),
        tensors=len(model.hf.state_dict()),
    )


def _check_arguments(device: object, device_map: object, attention: object, max_pixels: object) -> None:
    if device is not None and device_map is not None:
        raise UsageError("`device` and `device_map` of load exclude each other; got both; give one of them.")
    _check_device_map(device_map)
    if attention is not None and attention not in ATTENTIONS:
        raise UsageError(f"`attention` of load must be one of {', '.join(ATTENTIONS)}; got {attention!r}.")
    if max_pixels is not None and (isinstance(max_pixels, bool) or not isinstance(max_pixels, int) or max_pixels < 1):
        raise UsageError(f"`max_pixels` of load must be a whole number of at least 1, or None; got {max_pixels!r}.")


def _check_revision(name_or_path: str | Path, revision: str | None) -> None:
    if revision is not None and Path(name_or_path).is_dir():
        raise UsageError(
            f"`revision` of load must be left out for a folder, which has one state; got {revision!r} for "
            f"{name_or_path}."
        )


def _check_device_map(given: object) -> None:
    """Refuse a device map that is none, or names a device that this machine does not have."""
    rules = ("auto", "balanced", "balanced_low_0", "sequential")
    if given is None or given in rules:
        return
    places = set(given.values()) if isinstance(given, dict) else {given}
    try:
        found = [_tried(place) for place in places if place != "disk"]
    except (RuntimeError, AssertionError, TypeError, ValueError):
        found = []
    if not found and places != {"disk"}:
        raise UsageError(
            f"`device_map` of load must be one of {', '.join(rules)}, a device of this machine, or a mapping of "
            f"modules to such devices; got {given!r:.100}."
        )


def _tried(place: Any) -> torch.device:
    """Return a device that holds something, or pass on what torch says of it."""
    where = torch.device(place)
    torch.empty(0, device=where)
    return where


def _attention(base: Source, config: Configuration, asked: str | None) -> str:
    """Choose how layers attend: as asked, or as their family usually does.

    Raises:
        UnsupportedModelError: They cannot attend as asked.
    """
    known = family_of(config, base.path).attentions(config)
    if asked is not None and asked not in known:
        raise UnsupportedModelError(
            f"`attention` of load must be {' or '.join(known)} for {base.path}, whose layers cannot attend otherwise; "
            f"got {asked!r}; leave it out."
        )
    return asked or known[0]


def _device(device: str | torch.device | None) -> torch.device:
    try:
        where = _tried(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UsageError(
            f"`device` of load must be one that this machine has, such as 'cpu' or 'cuda'; got {device!r} "
            f"({str(error).splitlines()[0]})."
        ) from error
    if where.type == "meta":
        raise UsageError("`device` of load must be one that computes, such as 'cpu' or 'cuda'; got 'meta'.")
    return where


def _on_cpu(device: torch.device | None, device_map: str | dict[str, Any] | None) -> bool:
    """Whether the model computes on the CPU."""
    if device is not None:
        return device.type == "cpu"
    if isinstance(device_map, dict):
        return {str(place) for place in device_map.values()} <= {"cpu", "disk"}
    return device_map == "cpu" or not torch.cuda.is_available()
