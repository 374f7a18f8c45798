"""Heads that move an answer from one modality to the other, and whether they write it or route it.

After *Vision-Default, Prior-Override* (Lietzow et al., arXiv 2606.28273v1). Of the paper its abstract was read, and its
released code (nlietzow/vision-default-prior-override), from which the definitions are: restoration by patching a head's
output at the last token, in both directions between two prompts of one item; heads beyond two standard deviations on
the first principal component of both directions; zeroing them at the last token, counted in flips under each prompt.

The paper sets a question about the picture against one about the world. Here the two prompts name the picture and the
text of a conflict item, so the *prior* is what the text says; of items without a text nothing is said.

The paper calls heads *writing* that project an answer's token into the residual stream and *routing* those that
modulate information flow; its code looks at the tokens in a head's logit lens, and at attention on the picture. Here
both are measured by one causal split: what patching a head does to the margin is its *direct* effect, along the
residual stream to the unembedding with all else as it was, and the rest is *indirect*, through later layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

from trimtab.circuits.decomposition import CHUNK, direction, weight_of
from trimtab.circuits.donors import next_instructions
from trimtab.circuits.heads import Head, HeadScores, patched_way
from trimtab.circuits.readouts import LABELS, Variant, intact, read_out
from trimtab.circuits.task import Case
from trimtab.engine import Capability, ModelOrEngine, Read, ScaleHeads, run
from trimtab.engine.local.whitebox import opened
from trimtab.errors import UsageError
from trimtab.modalities import Modality
from trimtab.models import Model, require_heads_added
from trimtab.progress import SILENT, Progress, Within

if TYPE_CHECKING:
    from pandas import DataFrame

SIGMAS = 2.0
"""Standard deviations on the first principal component beyond which the paper counts a head."""

WRITES = 0.5
"""Share of its effect that is direct from which a head writes; below, it routes. Ours."""

HeadClass = Literal["writing", "routing"]


class Overrides(NamedTuple):
    """Heads that stand out by patching.

    Attributes:
        promoting: Their outputs carry the answer towards the prompt that they come from, best first.
        suppressing: Their outputs carry it away from there.
        positions: Every head on the first principal component, in standard deviations, ``(layers, heads)``.
    """

    promoting: tuple[Head, ...]
    suppressing: tuple[Head, ...]
    positions: Tensor


def override_heads(patching: HeadScores, sigmas: float = SIGMAS) -> Overrides:
    """Find the heads that stand out in both directions of patching.

    Args:
        patching: The score ``patching`` of cases whose instructions name two modalities.
        sigmas: How far a head must stand out.

    Raises:
        UsageError: The instructions name other than two modalities.
    """
    if len(patching.modalities) != 2:
        raise UsageError(
            "`patching` of override_heads must be of two modalities, between which there are two directions; got "
            f"{', '.join(patching.modalities)}."
        )
    both = torch.stack([patching.mean(target).flatten() for target in patching.modalities], dim=1).double()
    centred = both - both.mean(0)
    axis = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
    along = centred @ (axis if axis.sum() >= 0 else -axis)
    spread = along.std(correction=0).clamp_min(1e-12)
    positions = (along / spread).reshape(patching.values.shape[1:])
    order = [divmod(place, positions.shape[1]) for place in positions.flatten().argsort(descending=True).tolist()]
    return Overrides(
        tuple(head for head in order if float(positions[head]) > sigmas),
        tuple(head for head in reversed(order) if float(positions[head]) < -sigmas),
        positions,
    )


def head_class(total: HeadScores, direct: HeadScores, head: Head) -> HeadClass:
    """Say whether a head writes the answer or routes it: whether half of its effect or more is direct.

    Args:
        total: The score ``patching``.
        direct: What ``patched_directly`` returns for the same cases.
        head: The head.
    """
    whole, part = (float(scores.mean()[head]) for scores in (total, direct))
    return "writing" if whole and part / whole >= WRITES else "routing"


@torch.no_grad()
def patched_directly(model: ModelOrEngine, cases: Sequence[Case], progress: Progress = SILENT) -> HeadScores:
    """Return the direct part of the score ``patching``: what the changed output adds to the margin by itself.

    With the final norm's factors of the case's own run frozen, ``u . D W_O (z_other - z_own)`` over the mean way, as in
    ``decompose`` and in the score. Subtracted from the score it leaves what later layers, and the norm, make of the
    change.

    Args:
        model: The model.
        cases: All cases of each item.
        progress: Told of cases as they finish.

    Raises:
        UnsupportedMethodError: What the heads are projected to is not added to the residual stream as it is.
    """
    owner = "patched_directly"
    model = opened(model, Capability.WEIGHTS, owner=owner)
    require_heads_added(model, owner)
    partner, every = next_instructions(cases), tuple(range(model.n_layers))
    found = []
    read = Read(hidden=(model.n_layers - 1,), heads=every)
    with progress.task("direct effects", len(cases)) as advance:
        for start in range(0, len(cases), CHUNK):
            chunk = cases[start : start + CHUNK]
            own = run(model, [case.prompt for case in chunk], read, progress=Within(advance))
            theirs = run(model, [cases[partner[case]].prompt for case in chunk], Read(logits=False, heads=every))
            pairs = zip(own.logits, chunk, strict=True)
            ways = model.before_norm(
                torch.stack([direction(model, logits, case) for logits, case in pairs]),
                own.hidden[model.n_layers - 1].to(model.device),
            )
            found.append(torch.stack([_added(model, ways, own.heads, theirs.heads, n) for n in every], 1))
    way = patched_way(model, cases, read_out(model, cases).margins[:, 0])
    targets: tuple[Modality, ...] = tuple(case.target for case in cases)
    return HeadScores("patching-direct", torch.cat(found) / way, targets, tuple(case.item.id for case in cases))


def _added(model: Model, ways: Tensor, own: Mapping[int, Tensor], theirs: Mapping[int, Tensor], layer: int) -> Tensor:
    """Return what a layer's changed head outputs add to the margins, ``(cases, heads)``."""
    weight = weight_of(model.head_outputs[layer]).double().cpu()
    through = (ways @ weight).unflatten(-1, (model.n_heads, -1))
    return (through * (theirs[layer].double() - own[layer].double())).sum(-1)


def ablate(
    model: ModelOrEngine, cases: Sequence[Case], sets: Mapping[str, Sequence[Head]], progress: Progress = SILENT
) -> DataFrame:
    """Silence sets of heads at the last prompt token and read the first answer token.

    Returns:
        A row for each case and set: ``id, task, target, heads`` (the set's name), the margins ``before`` and ``after``
        of the named modality, and ``label_before`` and ``label_after``.
    """
    from pandas import DataFrame

    found = read_out(model, cases, [intact, *(_silenced(heads) for heads in sets.values())], progress)
    labels = [[LABELS[number] for number in row] for row in found.labels.tolist()]
    return DataFrame(
        [
            {
                "id": case.item.id,
                "task": case.item.task,
                "target": case.target,
                "heads": name,
                "before": float(found.margins[row, 0]),
                "after": float(found.margins[row, column]),
                "label_before": labels[row][0],
                "label_after": labels[row][column],
            }
            for row, case in enumerate(cases)
            for column, name in enumerate(sets, 1)
        ]
    )


def _silenced(heads: Sequence[Head]) -> Variant:
    layers = sorted({layer for layer, _ in heads})
    edits = tuple(
        ScaleHeads(layer, tuple(head for own, head in heads if own == layer), ("last",), 0.0) for layer in layers
    )
    return lambda _case: edits
