"""From an artifact to a file of another tool; what that cannot say is refused, and what it leaves out is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from trimtab.circuits import HeadSet
from trimtab.engine import AddVector, Edit, Positions
from trimtab.errors import UsageError
from trimtab.integrations.vectors.format import FORMATS, UNSAID, Format, Vectors
from trimtab.models import Model
from trimtab.steering import Artifact


@dataclass(frozen=True)
class Exported:
    """A file for another tool.

    Attributes:
        path: The file.
        lost: What it does not hold or what became something else, each in a few words.
        use: How the tool is told to use it.
    """

    path: Path
    lost: tuple[str, ...]
    use: str


def export_vectors(
    artifact: Artifact | HeadSet,
    model: Model,
    path: str | Path,
    format: str,
    *,
    strength: float | None = None,
    positions: Positions | None = None,
) -> Exported:
    """Write an artifact's vectors for another tool, the strength multiplied in.

    Args:
        artifact: A steering artifact that adds the same vectors to every prompt.
        model: The model it was fitted on.
        path: The file.
        format: A key of ``FORMATS`` that can be written.
        strength: Left out, the artifact's own.
        positions: Where the tool is to add them, if it cannot where the artifact does; so that nothing is changed
            without your knowing.

    Raises:
        ArtifactError: The artifact was fitted on another model.
        UsageError: The format is unknown, or cannot say what the artifact does.
        MissingDependencyError: A package is needed that is not installed.
        RunFolderError: The file cannot be written.
    """
    chosen = FORMATS.named(format)
    if not chosen.writes:
        can = ", ".join(one.name for one in FORMATS.values() if one.writes)
        raise UsageError(f"`format` of export_vectors must be one that is written ({can}); got {format!r}.")
    artifact.check(model)
    own, by_layer = _vectors(artifact, strength)
    if min(by_layer) < chosen.first_layer:
        raise UsageError(
            f"`artifact` of export_vectors must act at layer {chosen.first_layer} or above, since {chosen.name} has no "
            f"place for lower ones; it acts at layer {min(by_layer)}; fit it at another layer."
        )
    given = _positions(chosen, own, positions)
    lost = (*_losses(artifact, own, given), *chosen.unsaid, *UNSAID)
    use = chosen.write(Vectors(by_layer, given, model.n_layers, model.family.name), Path(path))
    return Exported(Path(path), lost, use)


def _vectors(artifact: Artifact | HeadSet, strength: float | None) -> tuple[Positions, dict[int, Tensor]]:
    """Return where vectors are added, and their sum at each layer.

    Raises:
        UsageError: The artifact does something else than add the same vectors to every prompt.
    """
    if isinstance(artifact, HeadSet) or not artifact.is_fixed:
        does = "changes heads" if isinstance(artifact, HeadSet) else "changes the prompt or looks at each item"
        raise _refused(artifact.name, does)
    edits = [_added(artifact.name, edit) for edit in artifact.edits(strength)]
    found: dict[int, Tensor] = {}
    for edit, vector in edits:
        found[edit.layer] = found[edit.layer] + vector if edit.layer in found else vector
    where: set[Positions] = {edit.positions for edit, _ in edits}
    if len(where) != 1:
        raise _refused(artifact.name, f"adds at {' and '.join(sorted(where))}" if edits else "adds nothing")
    return where.pop(), found


def _added(name: str, edit: Edit) -> tuple[AddVector, Tensor]:
    """Return an edit that adds a vector, and that vector at its strength."""
    if not isinstance(edit, AddVector) or type(edit) is not AddVector:
        raise _refused(name, f"makes edits of the kind {type(edit).__name__}")
    if not isinstance(edit.direction, Tensor):
        raise _refused(name, "predicts each item's vector by a network")
    return edit, edit.strength * edit.direction.detach().to("cpu", torch.float32)


def _refused(name: str, does: str) -> UsageError:
    return UsageError(
        f"`artifact` of export_vectors must add the same vectors to every prompt, which is all that other tools can "
        f"say; {name!r} {does}; fit 'mean', whose vector is one."
    )


def _positions(chosen: Format, own: Positions, asked: Positions | None) -> Positions:
    """Return where the tool is to add vectors.

    Raises:
        UsageError: It cannot add there.
    """
    wanted = own if asked is None else asked
    if wanted not in get_args(Positions):
        raise UsageError(
            f"`positions` of export_vectors must be one of {', '.join(get_args(Positions))}; got {wanted!r}."
        )
    if wanted not in chosen.says:
        raise UsageError(
            f"`positions` of export_vectors must be {' or '.join(chosen.says)} for {chosen.name}, whose tools add "
            f"nowhere else; got {wanted!r}{' from the artifact' if asked is None else ''}; give positions="
            f"{chosen.says[0]!r} to change that knowingly."
        )
    return wanted


def _losses(artifact: Artifact | HeadSet, own: Positions, given: Positions) -> tuple[str, ...]:
    moved = f"positions: {own} became {given}, so the same strength does more or less than before"
    scale = "the strength is multiplied in: a scale of 1 is the artifact at its strength"
    return (scale, moved) if own != given else (scale,)
