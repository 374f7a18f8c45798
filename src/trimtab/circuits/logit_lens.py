"""What the instruction tokens hold at each layer: the logit lens on both answers (Instruction Anchor, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.circuits.decomposition import CHUNK, Norm, weight_of
from trimtab.circuits.readouts import COMPETING, FOLLOWING, LABELS, label, margin
from trimtab.circuits.task import Case
from trimtab.engine import Capability, ModelOrEngine, Read, Readings, run
from trimtab.engine.local.whitebox import opened
from trimtab.models import Model
from trimtab.progress import SILENT, Progress, Within

if TYPE_CHECKING:
    from pandas import DataFrame

LENS_SPANS = ("instruction", "question", "last")


@torch.no_grad()
def lens(model: ModelOrEngine, cases: Sequence[Case], norm: Norm = "final", progress: Progress = SILENT) -> DataFrame:
    """Read both answers off the states of the instruction, the question and the last token, layer by layer.

    An answer's logit at a span is the largest over its tokens and the span's positions; the latent decision of a layer
    is the larger of the two, over instruction and question together (``anchor``). It agrees if it is what the model
    finally prefers. How often it does is our reconstruction of the paper's LDAR, whose formula is not public.

    Args:
        model: The model.
        cases: The cases.
        norm: ``final`` puts the final norm before the unembedding; ``none`` reads raw states, as the paper's authors do
            in related work; logits without norm cannot be compared across layers.
        progress: Told of rows as they finish.

    Returns:
        A row for each case, layer and span (``instruction``, ``question``, ``anchor``, ``last``): ``id, task, target,
        layer, span, following, competing, agrees, label``. Label is that of the final answer's first token.
    """
    from pandas import DataFrame

    model = opened(model, Capability.WEIGHTS, owner="lens")
    every = tuple(range(model.n_layers))
    rows = []
    read = Read(logits=True, hidden=every, at=LENS_SPANS)
    with progress.task("lens", len(cases)) as advance:
        for start in range(0, len(cases), CHUNK):
            chunk = cases[start : start + CHUNK]
            found = run(model, [case.prompt for case in chunk], read, progress=Within(advance))
            for number, case in enumerate(chunk):
                rows += _rows_of(model, case, number, found, norm)
    return DataFrame(rows)


def _rows_of(model: Model, case: Case, number: int, read: Readings, norm: Norm) -> list[dict[str, Any]]:
    final = read.logits[number][-1]
    decided = FOLLOWING if margin(final, case) > 0 else COMPETING
    read_at = Read(at=LENS_SPANS).indices(case.prompt)
    spans = {name: torch.isin(read_at, case.prompt.span(name)).cpu() for name in LENS_SPANS}
    spans["anchor"] = spans["instruction"] | spans["question"]
    rows = []
    for layer, states in read.hidden.items():
        logits = [_logits(model, states[number], side, norm) for side in (case.following, case.competing)]
        for name, at in spans.items():
            following, competing = (float(own[at].max()) for own in logits)
            rows.append(
                {
                    "id": case.item.id,
                    "task": case.item.task,
                    "target": case.target,
                    "layer": layer,
                    "span": name,
                    "following": following,
                    "competing": competing,
                    "agrees": (FOLLOWING if following > competing else COMPETING) == decided,
                    "label": LABELS[int(label(final, case))],
                }
            )
    return rows


def _logits(
    model: Model, states: Float[Tensor, "positions hidden"], tokens: Sequence[int], norm: Norm
) -> Float[Tensor, "positions tokens"]:
    """Unembed states ``(positions, hidden)`` for some tokens."""
    weight = weight_of(model.lm_head)[list(tokens)].float().cpu()
    if norm == "final":
        states = model.normed(states.to(model.device)).cpu()
    return model.capped(states @ weight.T)
