"""Patching of the residual stream at all tokens, or at one part of them, layer by layer.

After *Arbitration Failure, Not Perceptual Blindness* (Nooralahzadeh et al., arXiv 2604.09364v2), of which its abstract
was read, and no definition of a formula: full-sequence patching moves answers where patching the last token alone does
not, and a decomposition by token types says which tokens carry it. What is patched from where, and what counts as a
flip, is ours.

Patching *all* tokens at the output of a layer is no experiment: what is above that layer sees nothing but what was put
in place, so the answer is the donor's, whichever layer it is. A share below 1 can only come from donors that do not
answer what they are thought to. Here it is the test that the patch is right; what tells something are the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from trimtab.circuits.donors import Patch
from trimtab.circuits.flow import ANCHOR
from trimtab.engine import Capability, Encoded, ModelOrEngine, Places, Read, ReplaceStates, Row, require, run
from trimtab.errors import UsageError
from trimtab.modalities import SHOWN, place_of
from trimtab.progress import SILENT, Progress

if TYPE_CHECKING:
    from pandas import DataFrame

OWNER = "sequence_patching"


def _of(*names: str) -> Callable[[Encoded], set[int]]:
    return lambda prompt: {token for name in names for token in prompt.spans.get(name, torch.tensor([])).tolist()}


_shown = _of(*map(place_of, SHOWN))

PARTS: Mapping[str, Callable[[Encoded], set[int]]] = {
    "all": lambda prompt: set(range(len(prompt))),
    "shown": _shown,
    "words": lambda prompt: set(range(len(prompt))) - _shown(prompt),
    "context": _of("context"),
    "instruction": _of(*map(str, ANCHOR)),
    "last": _of("last"),
}
"""The tokens of a part: all; those of media; all others; the context; instruction and question, which are Instruction
Anchor's instruction tokens; and the last token alone, as patching is usual for language models."""


class Patched(NamedTuple):
    """What patching moved.

    Attributes:
        table: A row for each pair, part and layer: ``id, task, target, donor, part, layer``; ``before``, ``after`` and
            ``there``, the margin of the donor's first answer token over the prompt's own in the intact run, the patched
            one and the donor's; ``flipped``: the patched run's first token is the donor's; ``kept``: it is its own.
        agreed: Pairs left out, since both runs begin with the same token.
    """

    table: DataFrame
    agreed: int


@torch.no_grad()
def sequence_patching(
    model: ModelOrEngine,
    patches: Sequence[Patch],
    parts: Sequence[str] = tuple(PARTS),
    *,
    progress: Progress = SILENT,
) -> Patched:
    """Put the donors' states in the place of the cases' own, part by part, at the output of every layer.

    Args:
        model: The model.
        patches: Cases with their donors; those whose two runs begin with the same token have nothing to move.
        parts: Keys of ``PARTS``; a prompt that lacks a part has no rows for it.
        progress: Told of pairs as they finish.

    Raises:
        UsageError: There is no such part.
    """
    from pandas import DataFrame

    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        raise UsageError(f"`parts` of {OWNER} must be one or more of {', '.join(PARTS)}; got {', '.join(unknown)}.")
    require(model, Capability.LOGITS, Capability.HIDDEN, Capability.EDIT_STATES, owner=OWNER)
    rows, agreed = [], 0
    with progress.task("patch states", len(patches)) as advance:
        for patch in patches:
            logits = run(model, [patch.case.prompt, patch.donor]).logits.double()
            own, donor = logits.argmax(-1).tolist()
            if own == donor:
                agreed += 1
            else:
                rows += _moved(model, patch, parts, logits, (own, donor))
            advance(1)
    return Patched(DataFrame(rows), agreed)


def _moved(
    model: ModelOrEngine, patch: Patch, parts: Sequence[str], intact: Tensor, tokens: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    prompt, every = patch.case.prompt, tuple(range(model.n_layers))
    given = run(model, [patch.donor], Read(logits=False, hidden=every, at="all")).hidden
    at: dict[str, Places] = {part: tuple(sorted(PARTS[part](prompt))) for part in parts}
    asked = [(part, layer) for part, places in at.items() if places for layer in every]
    rows = [Row(prompt, (ReplaceStates(layer, given[layer][0][list(at[part])], at[part]),)) for part, layer in asked]
    logits = run(model, rows).logits.double()
    before, there = (float(row[tokens[1]] - row[tokens[0]]) for row in intact)
    for (part, layer), after in zip(asked, logits, strict=True):
        best = int(after.argmax())
        yield {
            "id": patch.case.item.id,
            "task": patch.case.item.task,
            "target": patch.case.target,
            "donor": patch.kind,
            "part": part,
            "layer": layer,
            "before": before,
            "after": float(after[tokens[1]] - after[tokens[0]]),
            "there": there,
            "flipped": best == tokens[1],
            "kept": best == tokens[0],
        }
