"""The paper's claims, each answered yes, no or unclear by a rule that names its numbers; ``docs/circuits.md``.

Instruction Anchor (arXiv 2602.03677) makes them about an image and a text. That the same sentences are asked of any
modalities is ours: of every modality at once where the paper speaks of the named one, and of each that is shown where
it speaks of the image. With image and text they are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from trimtab.modalities import SHOWN
from trimtab.studies.circuits.flow_claims import (
    deep_arbitration,
    latent_agreement,
    no_direct_path,
    semantic_inertia,
    shallow_transfer,
)
from trimtab.studies.circuits.head_claims import abilities_kept, repair, sparse_heads
from trimtab.studies.circuits.summary import modalities_of
from trimtab.studies.circuits.verdicts import Claim

LEAST_CASES = 10
"""With fewer cases no verdict is given: intervals over a handful of cases mean nothing."""


def answer_claims(summary: dict[str, Any], least_cases: int = LEAST_CASES) -> list[Claim]:
    """Answer all claims from a summary without them; those that rest on too few cases are unclear."""
    answers: list[Callable[[dict[str, Any]], Claim]] = [
        shallow_transfer,
        *(partial(no_direct_path, shown=shown) for shown in modalities_of(summary) if shown in SHOWN),
        deep_arbitration,
        latent_agreement,
        semantic_inertia,
        sparse_heads,
        abilities_kept,
        repair,
    ]
    found = [answer(summary) for answer in answers]
    return [
        claim._replace(verdict="unclear", evidence=f"{claim.evidence}; {_only(claim.cases)}")
        if claim.cases < least_cases
        else claim
        for claim in found
    ]


def _only(cases: int) -> str:
    return "no case" if not cases else "only 1 case" if cases == 1 else f"only {cases} cases"
