"""One thread at a time: hooks, batches and caches of a model belong to whoever runs it."""

from __future__ import annotations

import logging
import threading
from weakref import WeakKeyDictionary

from torch import nn

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds after which a waiting thread says so, since it may wait for one that waits for it."""


class ModelLock:
    """Lets one thread at a time use a model; the thread that holds it may take it again.

    Attributes:
        depth: How many times the holder has taken it; 0 when it is free.
    """

    _locks: WeakKeyDictionary[nn.Module, ModelLock] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holder: threading.Thread | None = None
        self.depth = 0

    @classmethod
    def of(cls, hf: nn.Module) -> ModelLock:
        """Return the lock of a Hugging Face model, the same for every ``Model`` around it."""
        return cls._locks.setdefault(hf, cls())

    @property
    def mine(self) -> bool:
        """Whether the calling thread holds it."""
        return self._holder is threading.current_thread()

    def __enter__(self) -> ModelLock:
        if not self._lock.acquire(timeout=PATIENCE):
            logger.warning("Waiting for a model that thread %r has been using for %.0f s.", self._holder, PATIENCE)
            self._lock.acquire()
        self._holder, self.depth = threading.current_thread(), self.depth + 1
        return self

    def __exit__(self, *_error: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            self._holder = None
        self._lock.release()

    def __reduce__(self) -> tuple[type[ModelLock], tuple[()]]:
        """Copies and pickles of a model have a lock of their own."""
        return ModelLock, ()
