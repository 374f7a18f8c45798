"""What an artifact is on a server: edits that need nothing but the request itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimtab.circuits import HeadSet
from trimtab.engine import AddVector, Edit, Positions, Predictor
from trimtab.errors import UnsupportedMethodError
from trimtab.serving.places import ServedEdit, amount_of, is_served, place_of, rule_of, site_of
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

    @property
    def begins(self) -> Positions:
        """The rule of positions that begins earliest among its edits."""
        own = {rule_of(edit) for edit in self.unit}
        return next(rule for rule in ORDER if rule in own)

    def about(self) -> dict[str, Any]:
        """Return what a list of artifacts tells of it."""
        return {
            "name": self.name,
            "target": self.artifact.target,
            "method": self.artifact.method,
            "strength": self.artifact.strength,
            "layers": list(self.layers),
            "instruction": self.artifact.instruction,
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
    sites = {site_of(_checked(artifact, edit)) for edit in edits}
    if len(sites) < len(edits):
        raise _refused(artifact, "edits one layer twice; use it locally")


def _check_method(artifact: Artifact) -> None:
    looks = artifact.chooser is not None and not isinstance(artifact.chooser, FixedChooser)
    if artifact.instruction is not None or artifact.without:
        raise _refused(artifact, "changes the prompt; write the prompt so yourself")
    if artifact.contrast is not None:
        raise _refused(artifact, "answers by several rows whose next tokens are chosen together; use it locally")
    if looks:
        raise _refused(artifact, "runs the model before it steers; use it locally, or fit 'amps', 'l2s' or 'mean'")


def _checked(artifact: Artifact | HeadSet, edit: Edit) -> ServedEdit:
    if not is_served(edit):
        raise _refused(artifact, f"makes edits of the kind {type(edit).__name__}; use it locally")
    if rule_of(edit) is None:
        raise _refused(
            artifact,
            "edits heads at the tokens of the question, which a server does not tell from the prompt's other ones; "
            "give it the scope 'last' or 'all'",
        )
    if isinstance(edit, AddVector) and isinstance(edit.direction, Predictor) and edit.positions == "all":
        raise _refused(
            artifact,
            "adds a vector that the last prompt token predicts to tokens before it, which a server may have computed "
            "already; fit it with positions='from_last_prompt'",
        )
    return edit


def _refused(artifact: Artifact | HeadSet, reason: str) -> UnsupportedMethodError:
    return UnsupportedMethodError(
        f"`artifact` of a server must be one that adds vectors to layers' outputs, or scales or replaces heads, in the "
        f"one pass; {artifact.name!r} {reason}."
    )
