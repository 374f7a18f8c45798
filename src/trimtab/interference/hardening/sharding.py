"""A model too large for one device: its decoder's layers are spread over the processes that train it (FSDP)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from trimtab.engine import batches_of
from trimtab.errors import UsageError
from trimtab.interference.hardening.config import HardenConfig
from trimtab.interference.hardening.processes import leads, processes
from trimtab.models import Model

ROWS = 8
"""Rows of a batch of an evaluation: processes that share layers take the same, whatever memory each has."""


def home_of(model: Model, config: HardenConfig) -> torch.device:
    """Return where a process trains: where the model is, or on its GPU, to which a model that is shared out moves."""
    return torch.device("cuda") if config.shard and torch.cuda.is_available() else model.device


def check_shared(model: Model, config: HardenConfig) -> None:
    """Refuse to share a model out that cannot be.

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


def share_out(model: Model, config: HardenConfig) -> None:
    """Keep a part of each decoder layer in each process, if that is asked for; the model is spent by it.

    A layer is whole only while it computes. All else, such as embeddings and towers, is whole in each process. What is
    trained is put into float32 before, layer by layer, since parts keep their type.
    """
    if not config.shard:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    device = home_of(model, config)
    mesh = init_device_mesh(device.type, (processes(),))
    for layer in model.layers:
        if config.method == "full":
            layer.float()
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    if config.method == "full":
        for parameter in decoder_weights(model):
            if not isinstance(parameter, DTensor):
                parameter.data = parameter.data.float()  # in place, so that tied weights stay tied
    for module in model.hf.modules():
        _move(module, device)


def decoder_weights(model: Model) -> list[nn.Parameter]:
    """Return the parameters of the text decoder and its head, each once."""
    return list({id(p): p for part in (model.decoder, model.lm_head) for p in part.parameters()}.values())


def in_step(model: Model, config: HardenConfig) -> AbstractContextManager[None]:
    """Let all processes compute the same batches inside the block, if each needs the others for every layer."""
    return batches_of(model, ROWS) if config.shard else nullcontext()


def gathered(tensor: Tensor) -> Tensor:
    """Return a tensor as it is; one that is spread, whole and on the CPU in the first process, and nothing elsewhere.

    All processes call this for the same tensors in the same order.
    """
    if not isinstance(tensor, DTensor):
        return tensor
    whole = tensor.full_tensor()
    return whole.cpu() if leads() else whole.new_empty(0)


def spread_like(whole: Tensor, parameter: Tensor | None) -> Tensor:
    """Return a tensor as it is, or spread as a parameter is; all processes call this alike."""
    if not isinstance(parameter, DTensor):
        return whole
    return distribute_tensor(whole.to(parameter.device, parameter.dtype), parameter.device_mesh, parameter.placements)


def own_part(state: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's state with this process's parts of what is spread."""
    parts = {
        number: {name: value.to_local() if isinstance(value, DTensor) else value for name, value in own.items()}
        for number, own in state["state"].items()
    }
    return {**state, "state": parts}


def from_own_part(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state of an optimizer, of which this process kept ``own_part``."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    whole = {
        number: {name: _part_of(value, parameters[number]) for name, value in own.items()}
        for number, own in state["state"].items()
    }
    return {**state, "state": whole}


def _part_of(value: Any, parameter: Tensor) -> Any:
    """Return what is this process's part of something as large as a parameter; anything else as it is."""
    if not isinstance(parameter, DTensor) or not isinstance(value, Tensor) or not value.dim():
        return value
    mesh, placements = parameter.device_mesh, parameter.placements
    own = value.to(parameter.device)
    return DTensor.from_local(own, mesh, placements, shape=parameter.shape, stride=parameter.stride())


def _move(module: nn.Module, device: torch.device) -> None:
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if not isinstance(tensor, DTensor):
            tensor.data = tensor.data.to(device)
