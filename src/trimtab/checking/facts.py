"""What a loaded model is, and what there is to know of it before using it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from trimtab.checking.prompts import PromptSizes, most_positions
from trimtab.errors import TrimtabError, UnsupportedMethodError
from trimtab.models import Model
from trimtab.steering import make_method
from trimtab.studies.kit.provenance import describe

LARGE_PICTURE = 2000
"""Positions of a picture above which its pixels are worth limiting."""
SINK_ITEMS = 2
"""Items in which attention sinks are looked for."""


def model_facts(model: Model) -> dict[str, Any]:
    """Return what identifies a model, its sizes, where it is, and what loading found."""
    text = model.text_config
    return {
        "name": model.name,
        **describe(model),
        "weights_bytes": sum(p.numel() * p.element_size() for p in model.hf.parameters()),
        "device": str(model.device),
        "attention": text._attn_implementation,
        "kv_heads": max(model.kv_heads),
        "vocabulary": text.vocab_size,
        "positions": most_positions(model),
        "loading": {**asdict(model.report), "overridden": dict(model.report.overridden)},
    }


def notes_on(model: Model, sizes: PromptSizes) -> list[str]:
    """Return, in sentences, what will be different from what a user may expect, or slow."""
    return [*model.report.notes, *_of_model(model), *_of_prompts(sizes), *_of_methods(model, sizes)]


def _of_model(model: Model) -> Iterator[str]:
    report = model.report
    if report.why_dtype:
        yield f"The weights are stored in {report.dtype_stored} and run in {report.dtype}: {report.why_dtype}."
    if report.overridden:
        settings = ", ".join(f"{name} {value}" for name, value in report.overridden.items())
        yield f"The checkpoint's own decoding settings are not used ({settings}): answers are greedy."
    if report.dtype == "float16" and model.device.type == "cpu":
        yield "float16 is the slowest type on a CPU; load the model in bfloat16."
    if report.quantization:
        yield f"The weights are quantised ({report.quantization}); below stands which jobs work with them."
    if any(p.device.type == "meta" for p in model.hf.parameters()):
        yield "Some weights are offloaded and fetched for every pass, which is slow."


def _of_prompts(sizes: PromptSizes) -> Iterator[str]:
    most = max(sizes.image_tokens, default=0)
    if most > LARGE_PICTURE:
        yield f"A picture takes up to {most:,} positions, which memory and time follow; limit its pixels."
    if sizes.refused:
        looked_at = len(sizes.usable) + len(sizes.refused)
        reason = sizes.refused[0].reason.rstrip(".")
        yield f"{len(sizes.refused)} of {looked_at} items looked at cannot be asked and will be skipped; {reason}."


def _of_methods(model: Model, sizes: PromptSizes) -> Iterator[str]:
    """Name the steering methods that have nothing to work with on this model."""
    try:
        target = next((item.modalities[0] for item in sizes.usable), "image")
        make_method("var", {"target": target}).fit(model, sizes.usable[:SINK_ITEMS])
    except UnsupportedMethodError:
        yield "Of the steering methods, VAR cannot be used: no token's state is massive enough to be a sink."
    except (TrimtabError, RuntimeError):
        return  # what keeps a model from being run at all is for the jobs to say
