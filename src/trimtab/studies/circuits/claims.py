"""The paper's claims, each answered by a rule that names its numbers; ``docs/circuits.md``.

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


def answer_claims(summary: dict[str, Any]) -> list[Claim]:
    """Answer all claims from a summary without them; where items are too few, say how many it takes."""
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
        claim._replace(evidence=f"{claim.evidence}; {_items(claim.items)}, where at least {claim.needed} are needed")
        if claim.verdict == "too few items"
        else claim
        for claim in found
    ]


def _items(items: int) -> str:
    return "no item" if not items else f"{items} item{'' if items == 1 else 's'}"
