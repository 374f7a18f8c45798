"""The engine's core: steered keys and values are cached apart, and receipts travel with the tokens."""

# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from vllm.logger import init_logger
from vllm.v1.core import block_pool, kv_cache_utils
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason
from vllm.v1.request import RequestStatus

from trimtab.serving.plugin.wrapping import wrap
from trimtab.serving.receipts import Card, Told, receipt
from trimtab.serving.requests import KEY, cache_key, steering_of

logger = init_logger(__name__)
RECEIPTS = "trimtab_receipts"
"""Attribute of a step's output that carries what the worker tells of its steered requests."""
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
    told: dict[str, Told] = getattr(step, RECEIPTS, {})
    if not told:
        return original(self, scheduled, step)
    cards: dict[str, Card] = vars(self).setdefault("trimtab_cards", {})
    cards.update({name: card for name, (_counts, card) in told.items() if card is not None})
    failed = {name for name in told if "error" in cards.get(name, ())}
    blocks = _blocks(self, failed)
    outputs = original(self, scheduled, step)
    self.kv_cache_manager.evict_blocks(blocks)
    _end(self, outputs, failed)
    for of_client in outputs.values():
        for output in of_client.outputs:
            name = output.request_id
            if name in told and name in cards and (name in failed or _tells(self, output)):
                _tell(output, receipt(cards[name], told[name][0]))
    for name in cards.keys() - self.requests.keys():
        del cards[name]
    return outputs


def _tells(scheduler: Any, output: Any) -> bool:
    """Say whether an output carries its receipt: the first one, the last one, and each that may be the last."""
    if output.prefill_stats is not None or output.finish_reason is not None:
        return True
    request = scheduler.requests.get(output.request_id)
    return request is not None and request.sampling_params is not None and bool(request.sampling_params.stop)


def _tell(output: Any, receipt: dict[str, Any]) -> None:
    output.kv_transfer_params = (output.kv_transfer_params or {}) | {KEY: receipt}
    if "error" in receipt:
        logger.error("trimtab: request %s is not answered: %s", output.request_id, receipt["error"])
        output.finish_reason = FinishReason.ERROR


def _blocks(scheduler: Any, failed: Iterable[str]) -> set[int]:
    """Return the blocks of requests that were not steered as they asked; their keys and values say that they were.

    They are asked for before vLLM takes the step's tokens in: a request that ends with it has no blocks afterwards.
    """
    manager = scheduler.kv_cache_manager
    living = [name for name in failed if name in scheduler.requests]
    return {block for name in living for group in manager.get_block_ids(name) for block in group}


def _end(scheduler: Any, outputs: dict[int, EngineCoreOutputs], failed: Iterable[str]) -> None:
    """End requests that were not steered as they asked.

    One that fails in the middle of its prompt has no output in this step; without one, its client would wait forever.
    """
    for name in failed:
        request = scheduler.requests.get(name)
        if request is None:
            continue
        of_client = outputs.setdefault(request.client_index, EngineCoreOutputs())
        if all(output.request_id != name for output in of_client.outputs):
            of_client.outputs.append(EngineCoreOutput(name, [], finish_reason=FinishReason.ERROR))
        scheduler.finish_requests(name, RequestStatus.FINISHED_ERROR)
