"""Batches drawn ahead by other processes: drawing pictures costs more than a GPU's step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

Batch = TypeVar("Batch")


class _Steps(Dataset[Any]):
    def __init__(self, make: Callable[[int], Any], start: int, stop: int) -> None:
        self._make, self._start, self._length = make, start, stop - start

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        if index >= self._length:
            raise IndexError(index)
        return self._make(self._start + index)


def feed(make: Callable[[int], Batch], start: int, stop: int, workers: int) -> Iterator[Batch]:
    """Make the batch of each step, in order.

    Args:
        make: The batch of a step, drawn from nothing but its number.
        start: The first step.
        stop: One past the last.
        workers: Processes to make them in; 0 makes each when it is asked for.
    """
    return iter(DataLoader(_Steps(make, start, stop), batch_size=None, num_workers=workers))
