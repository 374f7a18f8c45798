"""The margin's derivative to a gate on every head at once: one forward and one backward pass a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from trimtab.circuits.task import Case
from trimtab.engine import Capability, ModelOrEngine, Places, Read, Row, resolve
from trimtab.engine.local.whitebox import (
    Place,
    RowBatch,
    TokenSets,
    batch_size_of,
    exclusive,
    forward_tails,
    opened,
    over_batches,
    prepare,
    require_finite,
)
from trimtab.models import Model
from trimtab.progress import SILENT, Progress

GRADIENT_COST = 4
"""A row with its graph needs about this many times the memory of a plain one."""


@exclusive
def gradient_gates(
    model: ModelOrEngine, cases: Sequence[Case], at: Places = ("last",), progress: Progress = SILENT
) -> Float64[Tensor, "cases layers heads"]:
    """Return ``d margin / d gate`` at gate 1, ``(cases, layers, heads)``, float64.

    A gate multiplies one head's output at the places ``at``. What comes before the first of them is shared and has no
    graph.
    """
    model = opened(model, Capability.GRADIENTS, owner="gradient_gates")
    model.require_attending(range(model.n_layers), "gradient_gates")
    work = prepare(model, [Row(case.prompt) for case in cases])
    spans = tuple(str(name) for name in at if name not in ("generated", "all"))
    read = Read(at="all" if "all" in at else spans)
    size = max(1, (batch_size_of(model) or 64) // GRADIENT_COST)
    found = torch.zeros(len(cases), model.n_layers, model.n_heads, dtype=torch.float64)
    with progress.task("gradients", len(cases)) as advance:
        for batch, gradients in over_batches(model, work, read, size, lambda b: _gates(model, b, cases, at)):
            found[batch.rows] = gradients
            advance(len(batch.rows))
    return found


def _gates(model: Model, batch: RowBatch, cases: Sequence[Case], at: Places) -> Tensor:
    with torch.enable_grad():
        gates = torch.ones(len(batch.rows), model.n_layers, model.n_heads, device=model.device, requires_grad=True)
        sets = TokenSets([resolve(at, tail.prompt, "at", "gradient_gates") for tail in batch.tails])
        session = batch.session(model)
        with session.attached(), _gated(model, gates, sets, lambda: session.place):
            hidden = forward_tails(model, batch, session, keep_cache=False).hidden[:, -1]
        logits = model.logits(hidden).float()
        require_finite(model, logits.detach(), batch.rows)
        margins = [_margin(own, cases[row]) for own, row in zip(logits, batch.rows, strict=True)]
        (gradient,) = torch.autograd.grad(torch.stack(margins).sum(), gates)
    return gradient.double().cpu()


def _margin(logits: Tensor, case: Case) -> Tensor:
    return logits[list(case.following)].amax() - logits[list(case.competing)].amax()


@contextmanager
def _gated(model: Model, gates: Tensor, sets: TokenSets, place: Callable[[], Place]) -> Iterator[None]:
    """Multiply every head's output at the sets' tokens by its gate."""

    def hook_for(layer: int) -> Callable[[nn.Module, tuple], tuple]:
        def hook(_module: nn.Module, args: tuple) -> tuple:
            touched = sets.holds(place().index)[..., None, None]
            heads = args[0].unflatten(-1, (model.n_heads, -1))
            gated = heads * gates[:, layer, None, :, None].to(heads.dtype)
            return (torch.where(touched, gated, heads).flatten(-2), *args[1:])

        return hook

    with ExitStack() as stack:
        for layer, projection in model.head_outputs.items():
            handle = projection.register_forward_pre_hook(hook_for(layer))
            stack.callback(handle.remove)
        yield
