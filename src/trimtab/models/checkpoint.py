"""Read a checkpoint's configuration and weights, and prove that every tensor found its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.models.family import FAMILIES, Family
from trimtab.models.hugging_face import Configuration, HuggingFaceModel
from trimtab.models.refused import refusal
from trimtab.models.source import Source, reading, refuse_gguf
from trimtab.models.stored import check_files, head, weight_files

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STORED = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16", "F8_E4M3": "fp8"}
DEQUANTIZED = ("fp8",)
"""Ways of quantising whose weights are turned back into plain ones while loading."""
NAMED = 3
"""Tensors that a message names."""


@dataclass(frozen=True)
class Precision:
    """The type of the weights, stored and used, and why these differ."""

    stored: str | None
    used: torch.dtype | str
    why: str = ""


def read_config(source: Source) -> Configuration:
    """Read the configuration, and refuse what cannot be loaded before any weight is read.

    Raises:
        UsageError: ``config.json`` is missing or broken.
        UnsupportedModelError: The family is unknown, or the weights are quantised in a way that is not read.
    """
    with reading(source):
        held = source.json("config.json")
    if held is None:
        if source.local and any(Path(source.path).glob("*.gguf")):
            refuse_gguf(source.path)
        raise UsageError(
            f"`name_or_path` of load must be a model's folder; {source.path} cannot be loaded (it has no config.json); "
            "check the name, or that the folder is complete."
        )
    part = family_of(held, source.path).part
    method = quantization(held)
    if method is not None and method not in DEQUANTIZED:
        raise UnsupportedModelError(
            f"`name_or_path` of load must be a checkpoint of plain weights (float32, bfloat16, float16) or fp8; "
            f"{source.path} is quantised by {method}; load the checkpoint it was made from, with dtype='bfloat16' and, "
            "if it is large, device_map='auto'."
        )
    from transformers import AutoConfig

    with reading(source):
        config = AutoConfig.from_pretrained(source.path, trust_remote_code=False, **source.options)
        if method is not None:
            config.quantization_config["dequantize"] = True
    return cast(Configuration, config if part is None else getattr(config, part))


def family_of(config: Configuration | dict[str, Any], path: str) -> Family:
    """Return the family of a configuration, an object or what ``config.json`` holds.

    Raises:
        UnsupportedModelError: It is unknown, or no family can describe it.
    """
    held = config if isinstance(config, dict) else config.to_dict()
    kind = held.get("model_type")
    if reason := refusal(held):
        raise UnsupportedModelError(
            f"`name_or_path` of load must be a model that trimtab can look into; {path} has model_type {kind!r}, and "
            f"{reason}; load a model of a known family ({', '.join(sorted(FAMILIES))})."
        )
    if isinstance(kind, str) and kind in FAMILIES:
        return FAMILIES[kind]
    said = f"has model_type {kind!r}" if kind else "names no model_type"
    if isinstance(kind, str) and _is_text_only(kind):
        said += ", a model of text alone"
    if held.get("auto_map"):
        said += ", and code of its own, which trimtab never runs"
    raise UnsupportedModelError(
        f"`name_or_path` of load must be a model of a known family ({', '.join(sorted(FAMILIES))}); {path} {said}; "
        "load a model of a known family, or add one: a new family is one file in trimtab/models."
    )


def _is_text_only(kind: str) -> bool:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
    )

    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES


def quantization(config: dict[str, Any]) -> str | None:
    """Return how a configuration's weights are quantised; None for plain weights."""
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        said = part.get("quantization_config") or part.get("compression_config")
        if said:
            said = said if isinstance(said, dict) else {}
            bits = said.get("load_in_4bit") or said.get("load_in_8bit")
            return str(said.get("quant_method") or ("bitsandbytes" if bits else "a method it does not name"))
    return None


def precision(source: Source, config: Configuration, dtype: str | torch.dtype | None, on_cpu: bool) -> Precision:
    """Choose the type that the weights run in.

    A type that was given is obeyed. Left out, it is float32 for bundled models and the checkpoint's own for others,
    but on a CPU bfloat16 in place of float16: a CPU computes float16 many times as slowly, and it overflows sooner.

    Raises:
        UsageError: ``dtype`` is none that a model can run in.
    """
    stored = stored_dtype(source, config)
    if dtype is None:
        if source.bundled:
            return Precision(stored, torch.float32, "" if stored == "float32" else "bundled models run in float32")
        if stored == "float16" and on_cpu:
            return Precision(stored, torch.bfloat16, "on a CPU bfloat16 is many times as fast as float16")
        return Precision(stored, "auto")
    used = dtype if isinstance(dtype, torch.dtype) else DTYPES.get(dtype) if isinstance(dtype, str) else None
    if used is None or not used.is_floating_point or used.itemsize < 2:
        raise UsageError(f"`dtype` of load must be one of {', '.join(DTYPES)}; got {dtype!r}.")
    return Precision(stored, used, "" if str(used).removeprefix("torch.") == stored else "as `dtype` of load says")


def stored_dtype(source: Source, config: Configuration) -> str | None:
    """Return the type that the configuration states, or that most stored values have; None if neither says."""
    stated = config.dtype or config.get_text_config().dtype
    if stated is not None:
        return str(stated).removeprefix("torch.")
    with reading(source):
        sizes: dict[str, int] = {}
        for file in weight_files(source)[:1]:
            for _, kind, size in head(file):
                sizes[kind] = sizes.get(kind, 0) + size
    return STORED.get(max(sizes, key=lambda kind: sizes[kind])) if sizes else None


def load_weights(source: Source, config: Configuration, used: torch.dtype | str, **placing: object) -> HuggingFaceModel:
    """Build the model and fill it with the checkpoint's weights.

    Args:
        source: Where the checkpoint is.
        config: Its configuration.
        used: Type of the weights.
        **placing: ``device_map`` and ``attn_implementation``.

    Returns:
        The Hugging Face model.

    Raises:
        UsageError: A file is missing or broken.
        UnsupportedModelError: A tensor is missing, is left over, or has another shape, where transformers would fill
            its place with random numbers and go on; or it is not clear which weights are meant.
    """
    from transformers import AutoModelForMultimodalLM

    family = family_of(config, source.path)
    was_quantised = getattr(config, "quantization_config", None) is not None
    with reading(source):
        check_files(source)
        hf, info = AutoModelForMultimodalLM.from_pretrained(
            source.path,
            config=config,
            dtype=used,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # reported below, with all names, instead of raised at the first
            output_loading_info=True,
            **placing,
            **source.options,
        )
    check_keys(
        source.path,
        "the checkpoint",
        missing=info["missing_keys"],
        unexpected=[name for name in info["unexpected_keys"] if not name.startswith(family.leaves_out)],
        mismatched=info["mismatched_keys"],
    )
    if was_quantised:
        _to_one_type(hf, used)
    return hf


def _to_one_type(hf: HuggingFaceModel, used: torch.dtype | str) -> None:
    """Give all weights one type; what was turned back into plain weights has that of the checkpoint's other parts."""
    dtype = used if isinstance(used, torch.dtype) else hf.get_input_embeddings().weight.dtype
    for parameter in hf.parameters():
        if parameter.is_floating_point() and not parameter.is_meta:
            parameter.data = parameter.data.to(dtype)


def not_loaded(source: Source, config: Configuration) -> tuple[str, ...]:
    """Return a note where a checkpoint holds tensors that are not loaded on purpose."""
    beginnings = family_of(config, source.path).leaves_out
    names = [t.name for file in weight_files(source) for t in head(file)] if beginnings else []
    counts = {start: sum(name.startswith(start) for name in names) for start in beginnings}
    said = ", ".join(f"{count:,} of {start.rstrip('.')}" for start, count in counts.items() if count)
    return (f"Tensors that {source.path} holds beside what is loaded were left out: {said}.",) if said else ()


def untied(source: Source, hf: HuggingFaceModel) -> tuple[str, ...]:
    """Return a note where the checkpoint holds an unembedding of its own, though its configuration says it is tied.

    Only what the file says counts: some families' classes suppose it where nothing is said, against their checkpoints.
    """
    held = source.json("config.json") or {}
    text = held.get("text_config")
    tied = any(part.get("tie_word_embeddings") for part in (held, text if isinstance(text, dict) else {}))
    head, embedding = hf.get_output_embeddings().weight, hf.get_input_embeddings().weight
    if not tied or head is embedding or head.is_meta or embedding.is_meta or torch.equal(head, embedding):
        return ()
    return (
        f"config.json of {source.path} says tie_word_embeddings, yet its weights hold another unembedding, which is "
        "used; programs that follow config.json alone answer differently.",
    )


def check_keys(
    path: str,
    what: str,
    missing: Iterable[str],
    unexpected: Iterable[str],
    mismatched: Iterable[Any] = (),
    remedy: str = "fetch it again, or mend its names or its configuration",
) -> None:
    """Refuse tensors without a place, places without a tensor, and tensors of another shape.

    Raises:
        UnsupportedModelError: There are some; the message names them.
    """
    shapes = [f"{name} as {tuple(found)} in place of {tuple(needed)}" for name, found, needed in mismatched]
    wrong = {"lacks": sorted(missing), "has no place for": sorted(unexpected), "holds": sorted(shapes)}
    found = [f"{verb} {_some(names)}" for verb, names in wrong.items() if names]
    if found:
        raise UnsupportedModelError(
            f"`name_or_path` of load must hold exactly the tensors that its configuration needs; in {path} {what} "
            f"{' and '.join(found)}; {remedy}."
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return f"{len(names)} tensors ({shown}{', ...' if len(names) > NAMED else ''})" if len(names) > 1 else shown
