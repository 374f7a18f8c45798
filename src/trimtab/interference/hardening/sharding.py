"""A model too large for one device: its decoder's layers are spread over the processes that train it (FSDP)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from trimtab.engine import batches_of
from trimtab.errors import UsageError
from trimtab.interference.hardening.config import HardenConfig
from trimtab.interference.hardening.processes import processes
from trimtab.models import Model

ROWS = 8
"""Rows of a batch of an evaluation: processes that share layers take the same, whatever memory each has."""


def home_of(model: Model, config: HardenConfig) -> torch.device:
    """Return where a process trains: where the model is, or on its GPU, to which a model that is shared out moves."""
    return torch.device("cuda") if config.shard and torch.cuda.is_available() else model.device


def share_out(model: Model, config: HardenConfig) -> None:
    """Keep a part of each decoder layer in each process, if that is asked for; the model is spent by it.

    A layer is whole only while it computes. All else, such as embeddings and towers, is whole in each process.

    Raises:
        UsageError: There is one process, or the model has been shared out before.
    """
    if not config.shard:
        return
    if processes() == 1:
        raise UsageError(
            "`shard` of HardenConfig needs several processes to spread the model over; this is one; start them with "
            "torchrun --nproc-per-node N."
        )
    if any(isinstance(p, DTensor) for p in model.hf.parameters()):
        raise UsageError(
            f"`shard` of HardenConfig needs a model in one piece; {model.name} was spread by an earlier run; load it "
            "anew."
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    assert model.fingerprint  # it is read off whole weights, and kept
    device = home_of(model, config)
    mesh = init_device_mesh(device.type, (processes(),))
    for layer in model.layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    for module in model.hf.modules():
        _move(module, device)


def in_step(model: Model, config: HardenConfig) -> AbstractContextManager[None]:
    """Let all processes compute the same batches inside the block, if each needs the others for every layer."""
    return batches_of(model, ROWS) if config.shard else nullcontext()


def _move(module: nn.Module, device: torch.device) -> None:
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if not isinstance(tensor, DTensor):
            tensor.data = tensor.data.to(device)
