"""What each part of the model adds to the margin at the last prompt token, directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from trimtab.circuits.task import Case
from trimtab.engine import Capability, ModelOrEngine, Read, Readings, run
from trimtab.engine.local.whitebox import opened
from trimtab.models import Model, require_heads_added
from trimtab.progress import SILENT, Progress, Within

Norm = Literal["final", "none"]
"""``final``: the final norm's factors, frozen, so that the parts add up to the exact margin. ``none``: raw states, as
the paper's authors read them."""

CHUNK = 64
"""Cases whose states are kept at a time."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """Direct contributions to the margin of the named modality, float64; a row for each case.

    Attributes:
        embedding: Of the last token's embedding, ``(cases,)``.
        heads: Of each head, ``(cases, layers, heads)``.
        attention: Of each layer's attention, ``(cases, layers)``: its heads and the projection's bias, if it has one.
        mlp: Of each layer's MLP, ``(cases, layers)``.
    """

    embedding: Float64[Tensor, " cases"]
    heads: Float64[Tensor, "cases layers heads"]
    attention: Float64[Tensor, "cases layers"]
    mlp: Float64[Tensor, "cases layers"]

    @property
    def total(self) -> Float64[Tensor, " cases"]:
        """The sum of all parts, ``(cases,)``: with ``final`` the margin itself."""
        return self.embedding + self.attention.sum(-1) + self.mlp.sum(-1)


@torch.no_grad()
def decompose(
    model: ModelOrEngine, cases: Sequence[Case], norm: Norm = "final", progress: Progress = SILENT
) -> Contributions:
    """Split the margin into what the embedding, every head and every MLP add to it directly.

    The margin is that of the leading following token over the leading competing one. A part ``x`` adds
    ``(w_f - w_c) . D x``, where ``w`` are rows of the unembedding and ``D`` the frozen factors of the final norm. Where
    a family caps its logits, the margin is that before the cap, of which the parts are a sum.

    Args:
        model: The model.
        cases: The cases.
        norm: See ``Norm``.
        progress: Told of rows as they finish.

    Raises:
        UnsupportedMethodError: What the heads are projected to is not added to the residual stream as it is.
    """
    model = opened(model, Capability.WEIGHTS, owner="decompose")
    require_heads_added(model, "decompose")
    every = tuple(range(model.n_layers))
    parts = []
    read = Read(hidden=every, heads=every)
    with progress.task("decompose", len(cases)) as advance:
        for start in range(0, len(cases), CHUNK):
            chunk = cases[start : start + CHUNK]
            found = run(model, [case.prompt for case in chunk], read, progress=Within(advance))
            parts.append(_decompose(model, chunk, found, norm))
    return Contributions(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def _decompose(model: Model, cases: Sequence[Case], read: Readings, norm: Norm) -> tuple[Tensor, ...]:
    directions = torch.stack([direction(model, logits, case) for logits, case in zip(read.logits, cases, strict=True)])
    if norm == "final":
        directions = model.before_norm(directions, read.hidden[model.n_layers - 1].to(model.device))
    last = torch.stack([case.prompt.ids[-1] for case in cases])
    before = model.embedding(last).double().cpu()
    embedding = (directions * before).sum(-1)
    heads, attention, mlp = [], [], []
    for layer in range(model.n_layers):
        projection = model.head_outputs[layer]
        through = (directions @ weight_of(projection).double().cpu()).unflatten(-1, (model.n_heads, -1))
        own = (through * read.heads[layer].double()).sum(-1)
        bias = getattr(projection, "bias", None)
        added = own.sum(-1) if bias is None else own.sum(-1) + directions @ bias.double().cpu()
        after = read.hidden[layer].double()
        heads.append(own)
        attention.append(added)
        mlp.append((directions * (after - before)).sum(-1) - added)
        before = after
    return embedding, torch.stack(heads, 1), torch.stack(attention, 1), torch.stack(mlp, 1)


def direction(model: Model, logits: Float[Tensor, " vocabulary"], case: Case) -> Float64[Tensor, " hidden"]:
    """Return ``w_f - w_c`` of the leading tokens of both sides, ``(hidden,)``, float64 on the CPU."""
    leading = [max(side, key=lambda token: float(logits[token])) for side in (case.following, case.competing)]
    rows = weight_of(model.lm_head)[leading].double().cpu()
    return rows[0] - rows[1]


def weight_of(linear: nn.Module) -> Float[Tensor, "out in"]:
    """Return the matrix of a linear map, ``(out, in)``."""
    weight = linear.weight
    assert isinstance(weight, Tensor)
    return weight
