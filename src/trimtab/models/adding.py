"""Proof that what a layer's heads are projected to is added to the residual stream as it is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedMethodError
from trimtab.models.model import Model
from trimtab.models.self_checks import tiny_logits


@torch.no_grad()
def require_heads_added(model: Model, job: str) -> None:
    """Refuse a job that takes heads' projected outputs as parts of a sum, where something stands between.

    Such is a norm behind the attention, as in Gemma 2 and 3 and in GLM-4.1V. One pass over a tiny prompt tells: what a
    layer takes, what its heads are projected to, and the output of one other part of it, which is its MLP or a norm
    behind that, must sum to the layer's output, the same to the bit.

    Raises:
        UnsupportedMethodError: They do not, in some layer; or the family refuses the job.
    """
    model.require(job)
    with ExitStack() as stack:
        watched = {layer: _Sum(model, layer, stack) for layer in model.head_outputs}
        tiny_logits(model)
    for layer, found in watched.items():
        if not found.holds:
            raise UnsupportedMethodError(
                f"`{job}` must split a sum; in layer {layer} of {model.name}, of family {model.family.name}, what the "
                "heads are projected to is not added to the residual stream as it is, but for example behind a norm; "
                "score heads by 'gradient', 'causal' or 'patching'."
            )


class _Sum:
    """Watches one layer, and says after a pass whether it adds what its heads are projected to."""

    def __init__(self, model: Model, number: int, stack: ExitStack) -> None:
        self.holds = False
        self.projected: list[Tensor] = []
        self.others: list[Tensor] = []
        layer = model.layers[number]
        hooks = [part.register_forward_hook(self._other) for part in layer.children()]
        hooks.append(model.head_outputs[number].register_forward_hook(self._projected))
        hooks.append(layer.register_forward_hook(self._decide, with_kwargs=True))
        for hook in hooks:
            stack.callback(hook.remove)

    def _other(self, _module: nn.Module, _args: tuple, output: object) -> None:
        self.others.extend(_tensors(output))

    def _projected(self, _module: nn.Module, _args: tuple, output: object) -> None:
        self.projected.extend(_tensors(output))

    def _decide(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any], output: object) -> None:
        """Add up in both orders: torch adds from left to right, and rounds each time."""
        [taken, *_], [made, *_] = _tensors(args or (kwargs.get("hidden_states"),)), _tensors(output)
        found = [
            torch.equal(made, each)
            for heads in self.projected[-1:]
            for other in self.others
            if taken.shape == heads.shape == other.shape
            for each in (taken + heads + other, taken + other + heads)
        ]
        self.holds = any(found)
        self.projected, self.others = [], []


def _tensors(given: object) -> list[Tensor]:
    """The tensors of floating numbers among what a module takes or returns, on the CPU."""
    found = given if isinstance(given, (tuple, list)) else (given,)
    return [own.detach().cpu() for own in found if isinstance(own, Tensor) and own.is_floating_point()]
