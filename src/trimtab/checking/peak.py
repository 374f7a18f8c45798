"""How much memory a block of code takes on the device it runs on, and how much is free."""

from __future__ import annotations

import threading

import psutil
import torch

INTERVAL = 0.005
"""Seconds between two looks at this process's memory."""


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on a device; of the host, what can be had without swapping."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


class Peak:
    """Measures inside a ``with`` block how far memory rises above what was in use at its start.

    On a GPU the allocator says it exactly. On a CPU this process's resident memory is sampled, so pages that an earlier
    block left behind and this one reuses are not seen.

    Attributes:
        bytes: The rise, once the block is left.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.bytes = 0
        self._start = self._highest = 0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Peak:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            self._start = torch.cuda.memory_allocated(self.device)
            return self
        self._start = self._highest = psutil.Process().memory_info().rss
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            torch.cuda.synchronize(self.device)
            self._highest = torch.cuda.max_memory_allocated(self.device)
        else:
            self._done.set()
            self._thread.join()
            self._look()
        self.bytes = max(0, self._highest - self._start)

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        self._highest = max(self._highest, psutil.Process().memory_info().rss)
