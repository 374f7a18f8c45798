"""What a circuits study patches: states of tokens, heads directly, and the heads that override, silenced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.circuits import (
    Case,
    HeadScores,
    ablate,
    every_head,
    other_instructions,
    other_media,
    override_heads,
    random_heads,
    sequence_patching,
)
from trimtab.circuits.readouts import LABELS
from trimtab.errors import UsageError
from trimtab.modalities import SHOWN, Modality
from trimtab.models import Model
from trimtab.progress import Advance, Within, rescaled
from trimtab.studies.kit.run_folder import StepResult

INSTRUCTION = "instruction"
RANDOM_SETS = 20
"""Random sets beside the heads that override: as many as it takes for a p of 0.05."""


def donors_among(modalities: Sequence[Modality]) -> dict[str, Modality | None]:
    """Return in what donors may differ, by its name: the instruction (None), or the medium of a modality."""
    return {INSTRUCTION: None, **{modality: modality for modality in modalities if modality in SHOWN}}


def patched_cases(
    successes: Sequence[Case], cases: Sequence[Case], baseline: Sequence[Mapping[str, Any]], shown: Modality | None
) -> Sequence[Case]:
    """Return the cases whose states are patched: those of items that follow under every instruction.

    Where none do, another medium can still be patched in. That needs cases that are answered from the medium, whatever
    they were told; with more than two modalities the baseline does not say which those are, so only followers count.
    """
    if successes or shown is None:
        return successes
    pair = len({row["target"] for row in baseline}) == 2
    following, opposite = LABELS[:2]
    labels = {True: following, False: opposite if pair else None}
    read = {(row["id"], row["target"]) for row in baseline if row["label"] == labels[row["target"] == shown]}
    return [case for case in cases if (case.item.id, case.target) in read]


def patch_states(
    model: Model, cases: Sequence[Case], shown: Modality | None, followed: bool, advance: Advance, units: int
) -> StepResult:
    """Patch states from the same item under another instruction, or from the same prompt about another medium.

    Where instructions have different numbers of tokens there is nothing to patch; the notes say so, and whether the
    cases are ``followed``.
    """
    notes = {"pairs": 0, "agreed": 0, "follow_both": followed}
    try:
        patches = other_instructions(cases) if shown is None else other_media(cases, shown)
    except UsageError as error:
        return StepResult(StepResult.nothing().table, {**notes, "refused": str(error)})
    if not patches:
        return StepResult(StepResult.nothing().table, notes)
    found = sequence_patching(model, patches, progress=Within(rescaled(advance, len(patches), units)))
    return StepResult(found.table, {**notes, "pairs": len(patches), "agreed": found.agreed})


def scores_table(found: HeadScores, notes: dict[str, Any]) -> StepResult:
    """Return scores of all heads as a table: a row for each case, a column for each head."""
    from pandas import DataFrame

    flat = found.values.flatten(1)
    columns = {f"head-{place}": flat[:, place].tolist() for place in range(flat.shape[1])}
    return StepResult(DataFrame({"id": list(found.ids), "target": list(found.targets), **columns}), notes)


def ablate_overrides(
    model: Model, cases: Sequence[Case], patching: HeadScores | None, seed: int, advance: Advance, units: int
) -> StepResult:
    """Silence the heads that override, and random sets of as many others, at the last token of test cases."""
    if patching is None or len(patching.modalities) != 2:
        return StepResult.nothing()
    found, every = override_heads(patching), every_head(model)
    if not found.promoting or not cases:
        return StepResult.nothing()
    sets = {"promoting": found.promoting} | ({"suppressing": found.suppressing} if found.suppressing else {})
    sets |= {f"random {n}": random_heads(every, found.promoting, seed + n) for n in range(1, RANDOM_SETS + 1)}
    told = rescaled(advance, len(cases) * (len(sets) + 1), units)
    return StepResult(ablate(model, cases, sets, Within(told)), {})
