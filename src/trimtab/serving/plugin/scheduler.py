"""The engine's core: steered keys and values are cached apart, and receipts travel with the tokens."""

# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from vllm.logger import init_logger
from vllm.v1.core import block_pool, kv_cache_utils
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import FinishReason
from vllm.v1.request import RequestStatus

from trimtab.serving.plugin.wrapping import wrap
from trimtab.serving.requests import KEY, cache_key, steering_of

logger = init_logger(__name__)
RECEIPTS = "trimtab_receipts"
"""Attribute of a step's output that carries receipts from the worker."""
_HASHED = "generate_block_hash_extra_keys"


def install() -> None:
    """Put steering into the hashes of blocks, and receipts into outputs."""
    original = getattr(kv_cache_utils, _HASHED)

    def extra_keys(request: Any, start: int, end: int, medium: int) -> tuple[tuple[Any, ...] | None, int]:
        keys, following = original(request, start, end, medium)
        steering = None if request.sampling_params is None else steering_of(request.sampling_params.extra_args)
        own = None if steering is None else cache_key(steering, request.num_prompt_tokens, end)
        return (keys if own is None else (*(keys or ()), own)), following

    for module in (kv_cache_utils, block_pool, sys.modules.get("vllm.v1.simple_kv_offload.manager")):
        if module is not None:
            setattr(module, _HASHED, extra_keys)
    wrap(Scheduler, "update_from_output", _update_from_output)


def _update_from_output(original: Callable[..., Any], self: Any, scheduled: Any, step: Any) -> Any:
    outputs = original(self, scheduled, step)
    receipts: dict[str, dict[str, Any]] = getattr(step, RECEIPTS, {})
    if not receipts:
        return outputs
    for of_client in outputs.values():
        for output in of_client.outputs:
            receipt = receipts.get(output.request_id)
            if receipt is None:
                continue
            output.kv_transfer_params = (output.kv_transfer_params or {}) | {KEY: receipt}
            if "error" in receipt:
                logger.error("trimtab: request %s is not answered: %s", output.request_id, receipt["error"])
                output.finish_reason = FinishReason.ERROR
    for name, receipt in receipts.items():
        if "error" in receipt and name in self.requests:
            _end(self, name)
    return outputs


def _end(scheduler: Any, name: str) -> None:
    """End a request that was not steered as it asked, and forget its keys and values, which say that it was."""
    blocks = {block for group in scheduler.kv_cache_manager.get_block_ids(name) for block in group}
    scheduler.kv_cache_manager.evict_blocks(blocks)
    scheduler.finish_requests(name, RequestStatus.FINISHED_ERROR)
