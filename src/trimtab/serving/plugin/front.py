"""The front end: what a request asks for is read and refused before it reaches the engine."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vllm.exceptions import VLLMValidationError
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.input_processor import InputProcessor

from trimtab.errors import TrimtabError
from trimtab.serving.plugin.wrapping import wrap
from trimtab.serving.requests import resolved
from trimtab.serving.settings import process_bank


def install() -> None:
    """Read the steering of each request as it comes in."""
    wrap(InputProcessor, "process_inputs", _process_inputs)


def _process_inputs(
    original: Callable[..., Any], self: Any, request_id: str, prompt: Any, params: Any, *others: Any, **named: Any
):
    given = getattr(params, "extra_args", None)
    if not given:
        return original(self, request_id, prompt, params, *others, **named)
    if not isinstance(params, SamplingParams):
        raise VLLMValidationError("`vllm_xargs` must come with a request to generate text; leave it out.")
    try:
        extra = resolved(process_bank(), given)
    except TrimtabError as error:
        raise VLLMValidationError(str(error)) from error
    own = params.clone()  # the caller may use its own again
    own.extra_args = extra
    return original(self, request_id, prompt, own, *others, **named)
