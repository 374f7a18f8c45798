"""Weights that are not where their module is: accelerate keeps some on a disk or in host memory until they are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate.hooks import AlignDevicesHook


def home(module: nn.Module) -> torch.device:
    """Return where a module computes, which is not where its weights rest if they are offloaded."""
    for part in module.modules():
        hook = _hook(part)
        if hook is not None:
            assert hook.execution_device is not None
            return torch.device(hook.execution_device)
        for parameter in part.parameters(recurse=False):
            return parameter.device
    return torch.device("cpu")


@contextmanager
def present(module: nn.Module) -> Iterator[None]:
    """Hold a module's own weights where it computes, inside the block."""
    hook = _hook(module)
    if hook is None:
        yield
        return
    hook.pre_forward(module)
    try:
        yield
    finally:
        hook.post_forward(module, None)


def tensors(hf: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and values of each tensor of a model's ``state_dict``, one module in memory at a time."""
    for prefix, module in hf.named_modules(remove_duplicate=False):
        own = dict(module.named_parameters(recurse=False, remove_duplicate=False))
        kept = module._non_persistent_buffers_set
        buffers = {n: b for n, b in module.named_buffers(recurse=False, remove_duplicate=False) if n not in kept}
        if not own and not buffers:
            continue
        with present(module):
            for name in (*own, *buffers):
                yield f"{prefix}.{name}" if prefix else name, getattr(module, name).detach()


def _hook(module: nn.Module) -> AlignDevicesHook | None:
    """The hook that brings a module's weights; None if they are in place."""
    hook = getattr(module, "_hf_hook", None)
    return next((h for h in getattr(hook, "hooks", [hook]) if getattr(h, "offload", False)), None)


def rests_elsewhere(module: nn.Module) -> bool:
    """Whether a module's own weights are brought in only while it computes."""
    return _hook(module) is not None
