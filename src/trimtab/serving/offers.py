"""What an artifact is on a server: edits that need nothing but the request itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimtab.circuits import HeadSet
from trimtab.engine import AddVector, Edit, Predictor
from trimtab.errors import UnsupportedMethodError
from trimtab.serving.phases import NAMED, phases_of
from trimtab.serving.places import ServedEdit, amount_of, is_served, place_of
from trimtab.steering import Artifact
from trimtab.steering.chooser import FixedChooser


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
    artifact: Artifact | HeadSet

    def edits(self, strength: float) -> tuple[ServedEdit, ...]:
        """Return what is done at a strength.

        Raises:
            UsageError: The artifact has no such strength.
        """
        return tuple(edit for edit in self.artifact.edits(strength) if is_served(edit))

    @cached_property
    def unit(self) -> tuple[ServedEdit, ...]:
        """What is done at a strength that every artifact of its kind has; always the same objects."""
        return self.edits(unit_of(self.artifact))

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers it acts at."""
        return tuple(edit.layer for edit in self.unit)

    @cached_property
    def begins(self) -> int:
        """The phase of the first tokens that it edits."""
        return min(min(phases_of(edit) or ()) for edit in self.unit)

    def about(self) -> dict[str, Any]:
        """Return what a list of artifacts tells of it."""
        return {
            "name": self.name,
            "target": self.artifact.target,
            "method": self.artifact.method,
            "strength": self.artifact.strength,
            "layers": list(self.layers),
            "instruction": self.artifact.instruction,
            "asks_for_question": self.begins == NAMED,
            "digest": self.digest,
            "edits": self._told,
        }

    @cached_property
    def _told(self) -> list[dict[str, Any]]:
        """What each edit does and where, at strength 1, for a client to know its own artifacts by."""
        unit = unit_of(self.artifact)
        return [place_of(edit) | {"strength": amount_of(edit) / unit} for edit in self.unit]


def unit_of(artifact: Artifact | HeadSet) -> float:
    """Return a strength that every artifact of its kind has: a mean can only be put in the place of heads, at -1."""
    return -1.0 if isinstance(artifact, HeadSet) else 1.0


def check_offered(artifact: Artifact | HeadSet) -> None:
    """Refuse what a server cannot do for a single request in its one pass.

    Raises:
        UnsupportedMethodError: With the reason.
    """
    if isinstance(artifact, Artifact):
        _check_method(artifact)
    edits = artifact.edits(unit_of(artifact))
    if not edits:
        raise _refused(artifact, "edits nothing; leave `vllm_xargs` out for the unsteered model")
    for edit in edits:
        _check_edit(artifact, edit)


def _check_method(artifact: Artifact) -> None:
    looks = artifact.chooser is not None and not isinstance(artifact.chooser, FixedChooser)
    if artifact.instruction is not None or artifact.without:
        raise _refused(artifact, "changes the prompt; write the prompt so yourself")
    if artifact.contrast is not None:
        raise _refused(artifact, "answers by several rows whose next tokens are chosen together; use it locally")
    if looks:
        raise _refused(artifact, "runs the model before it steers; use it locally, or fit 'amps', 'l2s' or 'mean'")


def _check_edit(artifact: Artifact | HeadSet, edit: Edit) -> None:
    if not is_served(edit):
        raise _refused(artifact, f"makes edits of the kind {type(edit).__name__}; use it locally")
    if phases_of(edit) is None:
        raise _refused(artifact, f"makes {edit.name}, at places that a server does not know; use it locally")
    if isinstance(edit, AddVector) and isinstance(edit.direction, Predictor) and edit.positions == "all":
        raise _refused(
            artifact,
            "adds a vector that the last prompt token predicts to tokens before it, which a server may have computed "
            "already; fit it with positions='from_last_prompt'",
        )


def _refused(artifact: Artifact | HeadSet, reason: str) -> UnsupportedMethodError:
    return UnsupportedMethodError(
        f"`artifact` of a server must be one that adds vectors to layers' outputs, or scales or replaces heads, in the "
        f"one pass; {artifact.name!r} {reason}."
    )
