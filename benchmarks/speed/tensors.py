"""The most bytes that tensors took inside a block, counted exactly: a process's memory also holds what was freed."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorPeak(TorchDispatchMode):
    """Counts the storages that operations make inside a ``with`` block, until they are freed.

    What an operation takes while it computes, and frees, is not seen.

    Attributes:
        bytes: The most that were there at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self._now = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call an operation and count what it made."""
        given = {own.untyped_storage()._cdata for own in _tensors((args, kwargs))}
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            storage = tensor.untyped_storage()
            if storage._cdata not in given and storage._cdata not in self._known:
                self._known[storage._cdata] = storage.nbytes()
                self._now += storage.nbytes()
                weakref.finalize(storage, self._freed, storage._cdata)
        self.bytes = max(self.bytes, self._now)
        return made

    def _freed(self, key: int) -> None:
        self._now -= self._known.pop(key, 0)


def _tensors(tree: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
