"""Load a model by bundled name, folder or Hub id, and prove that trimtab understands it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trimtab import pocket
from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.models import adapters, llava, qwen2_5_vl  # noqa: F401  (each registers its family)
from trimtab.models.family import FAMILIES, Family
from trimtab.models.model import Model
from trimtab.models.self_check import self_check

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    name_or_path: str | Path,
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    device_map: str | dict[str, Any] | None = None,
    attention: str = "sdpa",
    check: bool = True,
) -> Model:
    """Load a vision-language model.

    Args:
        name_or_path: A bundled name (``"pocket-qwen"``, ``"pocket-llava"``), a local folder, or a Hub id. A folder of
            adapters (``trimtab harden``) loads the model they belong to and merges them.
        dtype: ``"float32"``, ``"bfloat16"``, ``"float16"`` or a torch dtype. Left out: float32 for bundled
            models, otherwise the checkpoint's own.
        device: Where to put the model. Left out: CUDA if there is one, otherwise the CPU.
        device_map: Passed to ``from_pretrained`` to spread a large model; excludes ``device``.
        attention: ``"sdpa"`` or ``"eager"``.
        check: Run the self-check, a few tiny forward passes.

    Returns:
        The model, frozen and in eval mode.

    Raises:
        UsageError: An argument is wrong, or there is no readable model of that name.
        UnsupportedModelError: The family is unknown, or the self-check failed.
        MissingDependencyError: It is a folder of adapters and peft is not installed.
    """
    if device is not None and device_map is not None:
        raise UsageError("`device` and `device_map` of load exclude each other; got both; give one of them.")
    base = adapters.base_of(name_or_path)
    if base is not None:
        model = load(base, dtype=dtype, device=device, device_map=device_map, attention=attention, check=False)
        adapters.merge(model, name_or_path)
        if check:
            self_check(model)
        return model
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    bundled = str(name_or_path) in pocket.CHECKPOINTS
    as_dtype = _dtype(dtype, bundled)
    path = str(pocket.checkpoint(str(name_or_path)) if bundled else name_or_path)
    with _reading(path):
        config = AutoConfig.from_pretrained(path)
    family = _family(config, path)
    with _reading(path):
        hf = AutoModelForImageTextToText.from_pretrained(
            path,
            dtype=as_dtype,
            device_map=device_map,
            attn_implementation=attention,
        )
        tokenizer = AutoTokenizer.from_pretrained(path)
        # The PIL back end gives the same pixels on every machine and needs no torchvision.
        image_processor = AutoImageProcessor.from_pretrained(path, backend="pil")
    if device_map is None:
        hf = nn.Module.to(hf, device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return from_parts(
        hf,
        tokenizer,
        image_processor,
        _chat_template(tokenizer, path),
        name=str(name_or_path),
        family=family,
        check=check,
    )


def from_parts(
    hf: nn.Module,
    tokenizer: Any,
    image_processor: Any,
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
        image_processor: Its image processor.
        chat_template: Jinja template of a turn; left out, the tokenizer's.
        name: What to call it in tables and artifacts.
        family: Left out, found by the configuration's ``model_type``.
        check: Run the self-check.

    Raises:
        UnsupportedModelError: The family is unknown, a part is missing, or the self-check failed.
    """
    family = family or _family(hf.config, name)  # pyright: ignore[reportArgumentType]
    template = chat_template or tokenizer.chat_template
    if not template:
        raise UnsupportedModelError(
            f"`chat_template` of {name} must be given: neither the tokenizer nor the checkpoint has one."
        )
    if not tokenizer.is_fast:
        raise UnsupportedModelError(
            f"`tokenizer` of {name} must be a fast tokenizer, which knows character offsets; got "
            f"{type(tokenizer).__name__}."
        )
    model = Model(hf, tokenizer, image_processor, template, family, name)
    family.guard(hf)
    if check:
        self_check(model)
    return model


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Say in one sentence what transformers says in many when a name or a file is missing or broken."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UsageError(
            f"`name_or_path` of load must be a bundled name ({', '.join(pocket.CHECKPOINTS)}), a model folder or a "
            f"Hub id; {path} cannot be loaded ({reason}); check the name, or that the folder is complete."
        ) from error


def _family(config: Any, path: str) -> Family:
    if config.model_type not in FAMILIES:
        raise UnsupportedModelError(
            f"`name_or_path` of load must be a model of a known family ({', '.join(sorted(FAMILIES))}); "
            f"{path} has model_type {config.model_type!r}. A new family is one file in trimtab/models."
        )
    return FAMILIES[config.model_type]


def _dtype(dtype: str | torch.dtype | None, bundled: bool) -> torch.dtype | str:
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype is None:
        return torch.float32 if bundled else "auto"
    if dtype not in DTYPES:
        raise UsageError(f"`dtype` of load must be one of {', '.join(DTYPES)}; got {dtype!r}.")
    return DTYPES[dtype]


def _chat_template(tokenizer: Any, path: str) -> str | None:
    """The tokenizer's template, or the processor's for checkpoints that keep it there only."""
    if tokenizer.chat_template:
        return tokenizer.chat_template
    from transformers.utils import cached_file

    for filename in ("chat_template.jinja", "chat_template.json", "processor_config.json"):
        found = cached_file(path, filename, _raise_exceptions_for_missing_entries=False)
        if found is None:
            continue
        text = Path(found).read_text(encoding="utf-8")
        template = text if filename.endswith(".jinja") else json.loads(text).get("chat_template")
        if template:
            return template
    return None
