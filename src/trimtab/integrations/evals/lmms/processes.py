"""Several processes that share a task's questions, each with the whole model, on a GPU of its own.

lmms-eval hands out the shares and gathers what comes back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch

from trimtab.errors import UsageError

Request = TypeVar("Request")
Reply = TypeVar("Reply")

FILLING = "__padding_only__"
"""In the metadata of requests with which lmms-eval makes all shares equally long; nobody reads their replies."""


def placed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a model with a GPU for this process, where there are several and none is named.

    Raises:
        UsageError: The model is to be spread over GPUs that other processes use.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count > 1 and options.get("device_map"):
        raise UsageError(
            f"`device_map` of model_args must be left out where {count} processes share the questions, since each "
            f"holds the whole model; got {options['device_map']!r}; start one process to spread one model."
        )
    if count == 1 or options.get("device") or not torch.cuda.is_available():
        return dict(options)
    return {**options, "device": f"cuda:{os.environ.get('LOCAL_RANK', '0')}"}


def for_own_share(
    requests: Sequence[Request], answer: Callable[[Sequence[Request]], Sequence[Reply]], nothing: Reply
) -> list[Reply]:
    """Answer the requests of this process's share, each once, and give those that only fill it up ``nothing``."""
    own = [request for request in requests if not _fills(request)]
    found = iter(answer(own))
    return [nothing if _fills(request) else next(found) for request in requests]


def _fills(request: Any) -> bool:
    return bool((getattr(request, "metadata", None) or {}).get(FILLING))
