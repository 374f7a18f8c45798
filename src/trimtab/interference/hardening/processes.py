"""Several processes that train one model together, as torchrun starts them: who writes, and who waits for whom."""

from __future__ import annotations

import atexit
import os
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


def number() -> int:
    """Return this process's number among those that torchrun started; 0 for one alone."""
    return int(os.environ.get("RANK", "0")) if _started() > 1 else 0


def leads() -> bool:
    """Whether this process writes, says and shows what all have done: one alone does, and the first of several."""
    return number() == 0


def meet(device: torch.device) -> None:
    """Meet the other processes, if torchrun says that there are any, to train on a device of this kind."""
    if _started() < 2 or (dist.is_available() and dist.is_initialized()):
        return
    from accelerate import PartialState

    PartialState(cpu=device.type == "cpu")
    atexit.register(dist.destroy_process_group)


def processes() -> int:
    """Return how many have met."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def of_the_first(value: T) -> T:
    """Return the first process's value, in all of them; they wait for it."""
    if processes() == 1:
        return value
    held = [value]
    dist.broadcast_object_list(held)
    return held[0]


def of_all(value: T) -> list[T]:
    """Return the values of all processes, in all of them; they wait for each other."""
    if processes() == 1:
        return [value]
    held: list[Any] = [None] * processes()
    dist.all_gather_object(held, value)
    return held


def _started() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
