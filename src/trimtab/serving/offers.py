"""What an artifact is on a server: edits that need nothing but the request itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimtab.engine import AddVector, Edit, Positions, Predictor
from trimtab.errors import UnsupportedMethodError
from trimtab.serving.places import place_of
from trimtab.steering import Artifact
from trimtab.steering.chooser import FixedChooser

ORDER: tuple[Positions, ...] = ("all", "last_prompt", "from_last_prompt", "generated_only")
"""Rules of positions, those that begin earliest first."""


@dataclass(frozen=True, eq=False)
class Offer:
    """An artifact that requests may name.

    Attributes:
        name: What requests call it.
        digest: Digest of what it holds: another content is another digest.
        artifact: The artifact.
    """

    name: str
    digest: str
    artifact: Artifact

    def edits(self, strength: float) -> tuple[AddVector, ...]:
        """Return what is done at a strength."""
        return tuple(edit for edit in self.artifact.edits(strength) if isinstance(edit, AddVector))

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers it acts at."""
        return tuple(edit.layer for edit in self.edits(1.0))

    @property
    def begins(self) -> Positions:
        """The rule of positions that begins earliest among its edits."""
        own = {edit.positions for edit in self.edits(1.0)}
        return next(rule for rule in ORDER if rule in own)

    def about(self) -> dict[str, Any]:
        """Return what a list of artifacts tells of it."""
        return {
            "name": self.name,
            "target": self.artifact.target,
            "method": self.artifact.method,
            "strength": self.artifact.strength,
            "layers": list(self.layers),
            "digest": self.digest,
            "edits": self._told,
        }

    @cached_property
    def _told(self) -> list[dict[str, Any]]:
        """What each edit adds and where, at strength 1, for a client to know its own artifacts by."""
        return [place_of(edit) | {"strength": edit.strength} for edit in self.edits(1.0)]


def check_offered(artifact: Artifact) -> None:
    """Refuse what a server cannot do for a single request in its one pass.

    Raises:
        UnsupportedMethodError: With the reason.
    """
    looks = artifact.chooser is not None and not isinstance(artifact.chooser, FixedChooser)
    if artifact.instruction is not None or artifact.without:
        raise _refused(artifact, "changes the prompt; write the prompt so yourself")
    if artifact.contrast is not None:
        raise _refused(artifact, "answers by several rows whose next tokens are chosen together; use it locally")
    if looks:
        raise _refused(artifact, "runs the model before it steers; use it locally, or fit 'amps', 'l2s' or 'mean'")
    edits = artifact.edits(1.0)
    if not edits:
        raise _refused(artifact, "edits nothing; leave `vllm_xargs` out for the unsteered model")
    for edit in edits:
        _check_edit(artifact, edit)
    if len({edit.layer for edit in edits if isinstance(edit, AddVector)}) < len(edits):
        raise _refused(artifact, "edits one layer twice; use it locally")


def _check_edit(artifact: Artifact, edit: Edit) -> None:
    if type(edit) is not AddVector:
        raise _refused(artifact, f"makes edits of the kind {type(edit).__name__}; use it locally")
    if isinstance(edit.direction, Predictor) and edit.positions == "all":
        raise _refused(
            artifact,
            "adds a vector that the last prompt token predicts to tokens before it, which a server may have computed "
            "already; fit it with positions='from_last_prompt'",
        )


def _refused(artifact: Artifact, reason: str) -> UnsupportedMethodError:
    return UnsupportedMethodError(
        f"`artifact` of a server must be one that adds vectors to layers' outputs in the one pass; {artifact.name!r} "
        f"{reason}."
    )
