"""The front end: a bad request is refused before it reaches the engine, and receipts are kept."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from vllm.entrypoints.generate.base.serving import GenerateBaseServing
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.exceptions import GenerationError, VLLMValidationError
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.input_processor import InputProcessor
from vllm.v1.engine.output_processor import OutputProcessor

from trimtab.errors import TrimtabError
from trimtab.serving.ledger import Ledger
from trimtab.serving.plugin.wrapping import wrap
from trimtab.serving.requests import KEY, Find, resolved
from trimtab.serving.settings import process_bank
from trimtab.serving.wire import read_wanted
from trimtab.serving.words import finder

LEDGER = Ledger()
"""The receipts of this process's answers."""


def install() -> None:
    """Read the steering of each request as it comes in, and note what came of it."""
    wrap(InputProcessor, "process_inputs", _process_inputs)
    wrap(OutputProcessor, "process_outputs", _process_outputs)
    wrap(GenerateBaseServing, "_raise_if_error", _raise_if_error)
    for kind in (ChatCompletionRequest, CompletionRequest):
        wrap(kind, "to_beam_search_params", _beams)


def _process_inputs(
    original: Callable[..., Any], self: Any, request_id: str, prompt: Any, params: Any, *others: Any, **named: Any
):
    given = getattr(params, "extra_args", None)
    if not given:
        return original(self, request_id, prompt, params, *others, **named)
    if not isinstance(params, SamplingParams):
        raise VLLMValidationError("`vllm_xargs` must come with a request to generate text; leave it out.")
    try:
        extra = resolved(process_bank(), given, _finder(self, prompt))
    except TrimtabError as error:
        raise VLLMValidationError(str(error)) from error
    own = params.clone()  # the caller may use its own again
    own.extra_args = extra
    return original(self, request_id, prompt, own, *others, **named)


def _finder(processor: Any, prompt: Any) -> Find:
    """Return what finds words in a prompt that vLLM has written as tokens."""
    told = prompt if isinstance(prompt, Mapping) else {}
    media = [
        (place.offset, place.offset + place.length)
        for places in told.get("mm_placeholders", {}).values()
        for place in places
    ]
    return finder(_own(processor.tokenizer), told.get("prompt"), told.get("prompt_token_ids", ()), media)


@lru_cache(maxsize=1)
def _own(tokenizer: Any) -> Any:
    """Return a copy of a tokenizer, since vLLM uses its own in other threads."""
    return deepcopy(tokenizer)


def _beams(original: Callable[..., Any], self: Any, *others: Any, **named: Any) -> Any:
    """Beams are requests of their own, which vLLM makes without the fields of the one that asked."""
    try:
        wanted = read_wanted(self.vllm_xargs)
    except TrimtabError as error:
        raise VLLMValidationError(str(error)) from error
    if any(one.strength != 0 for one in wanted):
        raise VLLMValidationError(
            "`use_beam_search` must be false in a steered request, since beams cannot be steered; leave it out."
        )
    return original(self, *others, **named)


def _process_outputs(original: Callable[..., Any], self: Any, outputs: list[Any], *others: Any, **named: Any) -> Any:
    for output in outputs:
        receipt = (output.kv_transfer_params or {}).get(KEY)
        state = self.request_states.get(output.request_id)
        if receipt is not None and state is not None:
            owner = state if state.parent_req is None else state.parent_req
            LEDGER.note(owner.external_req_id, owner.request_id, state.request_index, receipt)
    return original(self, outputs, *others, **named)


def _raise_if_error(original: Callable[..., Any], self: Any, finish_reason: str | None, request_id: str) -> None:
    """Say why a request that could not be steered ends, where vLLM says that an error is internal."""
    reason = LEDGER.error(request_id) if finish_reason == "error" else None
    if reason is not None:
        raise GenerationError(f"`artifact` of vllm_xargs was not applied: {reason}.")
    original(self, finish_reason, request_id)
