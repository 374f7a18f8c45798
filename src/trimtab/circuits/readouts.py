"""The first answer token of cases under many edits: margins, and whom the answer follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from trimtab.circuits.task import Case
from trimtab.engine import Edit, ModelOrEngine, Row, engine_of, run
from trimtab.progress import SILENT, Progress, Within

Variant = Callable[[Case], tuple[Edit, ...]]
"""What differs between two readings of a case; no edits at all read the intact model."""

FOLLOWING, COMPETING, OTHER = 0, 1, 2
LABELS = ("following", "opposite", "other")
"""Names of the labels, by number."""

MOST_LOGITS = 2**27
"""Numbers that the logits of one run may hold: half a gibibyte."""


def intact(_case: Case) -> tuple[Edit, ...]:
    """Return no edits."""
    return ()


@dataclass(frozen=True, eq=False)
class Readouts:
    """First-token readings, a row for each case and a column for each variant.

    Attributes:
        margins: Largest logit of a following token less the largest of a competing one, float64.
        labels: Numbers of ``LABELS``: whose tokens the most likely token of the whole vocabulary belongs to.
    """

    margins: Float64[Tensor, "cases variants"]
    labels: Int[Tensor, "cases variants"]

    def rate(self, label: int = FOLLOWING) -> Float64[Tensor, " variants"]:
        """Return the share of cases with a label, for each variant."""
        return (self.labels == label).double().mean(0)


def read_out(
    model: ModelOrEngine,
    cases: Sequence[Case],
    variants: Sequence[Variant] = (intact,),
    progress: Progress = SILENT,
) -> Readouts:
    """Read cases under all variants, as rows of as few runs as memory allows.

    Args:
        model: The model.
        cases: The cases.
        variants: The edits to try on each case.
        progress: Told of rows as they finish.
    """
    step = max(1, MOST_LOGITS // (engine_of(model).vocab_size * len(variants)))
    margins, labels = [], []
    with progress.task("read out", len(cases) * len(variants)) as advance:
        for start in range(0, len(cases), step):
            chunk = cases[start : start + step]
            rows = [Row(case.prompt, variant(case)) for case in chunk for variant in variants]
            logits = run(model, rows, progress=Within(advance)).logits.unflatten(0, (len(chunk), len(variants)))
            margins += [margin(own, case) for own, case in zip(logits, chunk, strict=True)]
            labels += [label(own, case) for own, case in zip(logits, chunk, strict=True)]
    return Readouts(torch.stack(margins), torch.stack(labels))


def margin(logits: Float[Tensor, "*rows vocabulary"], case: Case) -> Float64[Tensor, "*rows"]:
    """Return the margin of the named modality in logits ``(..., vocabulary)``; above 0 it leads."""
    logits = logits.double()
    return logits[..., list(case.following)].amax(-1) - logits[..., list(case.competing)].amax(-1)


def label(logits: Float[Tensor, "*rows vocabulary"], case: Case) -> Int[Tensor, "*rows"]:
    """Return whose token is the most likely one of the whole vocabulary, as a number of ``LABELS``."""
    best = logits.argmax(-1)
    follows = torch.isin(best, torch.tensor(case.following))
    competes = torch.isin(best, torch.tensor(case.competing))
    return torch.where(follows, FOLLOWING, torch.where(competes, COMPETING, OTHER))


def two_way_effect(before: Float[Tensor, "*#rows"], after: Float[Tensor, "*#rows"]) -> Float64[Tensor, "*rows"]:
    """Return the signed divergence of the two-way distribution over {following, competing}, in nats.

    ``sign(P'_f - P_f) KL(P || P')`` with ``P_f = sigmoid(margin)``: below 0 an edit hurts following. It is our
    reconstruction of Instruction Anchor's I_NSSD, whose formula is not public: same sign, same unbounded range, and no
    mass outside the two answers counts. Probabilities are kept 1e-6 away from 0 and 1.

    Args:
        before: Margins of the intact model.
        after: Margins under an edit, of a shape that broadcasts.
    """
    p, q = (m.double().sigmoid().clamp(1e-6, 1 - 1e-6) for m in (before, after))
    # Not by `trimtab.divergences.kl`: a difference of logarithms rounds otherwise than the logarithm of a ratio.
    divergence = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    return torch.sign(q - p) * divergence.clamp_min(0.0)


def chance_of(labels: Int[Tensor, " cases"]) -> float:
    """Return the share of the commonest label: what a guess that knows the rates would get right."""
    if not len(labels):
        return math.nan
    return float(labels.bincount().max() / len(labels))
