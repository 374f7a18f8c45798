"""How much memory there is, and how one knows that it ran out."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from trimtab.errors import NotEnoughMemoryError

if TYPE_CHECKING:
    from trimtab.models.model import Model

OUT_OF_MEMORY = (
    "out of memory",  # CUDA, HIP, MPS and XPU
    "cudaerrormemoryallocation",
    "cuda_error_out_of_memory",
    "_status_alloc_failed",  # cuBLAS, hipBLAS, cuDNN, cuSOLVER, cuSPARSE
    "cublas_status_not_initialized",  # what cuBLAS says where its handle finds no room
    "cudnn_status_not_initialized",
    "unable to find a valid cudnn algorithm",  # none whose workspace fits
    "unable to find an engine to execute this computation",
    "miopenstatusallocfailed",
    "miopenstatusinternalerror",
    "invalid buffer size",  # MPS, for one tensor larger than its limit
    "defaultcpuallocator",
    "allocate memory",  # "can't" and "cannot"
    "not enough memory",
    "failed to allocate",
    "unable to allocate",
    "allocation failed",
    "bad_alloc",
    "bad allocation",
    "could not create a primitive",  # oneDNN
    "could not create a memory object",
    "could not execute a primitive",
    "resource_exhausted",
)
"""What libraries say when memory ran out, in small letters."""

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux says how much memory a container may use."""


def out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or the one that it was raised from, says that memory ran out on whichever device."""
    while error is not None:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        text = str(error).lower()
        if isinstance(error, (RuntimeError, OSError)) and any(known in text for known in OUT_OF_MEMORY):
            return True
        error = error.__cause__
    return False


def release() -> None:
    """Give memory that no tensor uses any more back to the devices, and to the system."""
    trim = _trim()
    if trim is not None:
        trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


@cache
def _trim() -> Callable[[int], int] | None:
    """Return glibc's ``malloc_trim``: it keeps what is freed, which to others, and to ``free_bytes``, looks used."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return None


def devices_of(model: Model) -> list[torch.device]:
    """Return the devices that compute a model, if it is spread over several; the CPU if it has no weights.

    A layer is on one device, and asking all of its weights would take as long as a small model's pass.
    """
    weights = (next(part.parameters(), None) for part in (model.embedding, *model.layers))
    found = {own.device for own in weights if own is not None and own.device.type != "meta"} or {torch.device("cpu")}
    return sorted({d for d in found if d.type != "cpu"} or found, key=str)


def total_bytes(device: torch.device) -> int:
    """Return how much memory a device has; for the CPU, what this container may use."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    limit = _container_limit()
    total = psutil.virtual_memory().total
    return total if limit is None else min(total, limit[0])


def free_bytes(device: torch.device) -> int:
    """Return how much memory tensors can still take on a device.

    What torch keeps of freed tensors counts as free, as torch hands it out again.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    limit = _container_limit()
    available = psutil.virtual_memory().available
    return available if limit is None else max(0, min(available, limit[0] - limit[1]))


def too_large(model: Model, what: str, error: BaseException) -> NotEnoughMemoryError:
    """Return the error that says of what does not fit by itself how much memory there is, and what helps."""
    if isinstance(error, NotEnoughMemoryError):
        return error
    places = ", ".join(
        f"{free_bytes(device) / 1e9:.1f} of {total_bytes(device) / 1e9:.1f} GB free on {device}"
        for device in devices_of(model)
    )
    weights = sum(p.numel() * p.element_size() for p in model.hf.parameters()) / 1e9
    narrower = "" if torch.finfo(model.dtype).bits <= 16 else "dtype='bfloat16', "
    return NotEnoughMemoryError(
        f"`rows` must fit into memory one by one; {what} does not, with {places} beside {weights:.1f} GB of weights of "
        f"{model.name}; load it with a smaller max_pixels, {narrower}or device_map='auto' over more devices."
    )


def _container_limit() -> tuple[int, int] | None:
    """Return how many bytes this container may use and how many it uses; None without a limit.

    Files that the kernel caches count as used there, and are given up before memory runs out.
    """
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = int((CGROUP / limit).read_text())
            now = int((CGROUP / used).read_text())
            lines = (CGROUP / limit).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # no such file, or "max"
            continue
        spare = next((int(line.split()[1]) for line in lines if line.split()[0] == cached), 0)
        return most, max(0, now - spare)
    return None
