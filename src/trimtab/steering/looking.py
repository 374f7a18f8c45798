"""Choosing by what a few rows of each prompt show: many choosers, and one at many strengths, look in one run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from trimtab.engine import Edit, ModelOrEngine, Prompt, Read, Readings, Row, run
from trimtab.steering.artifact import Artifact
from trimtab.steering.asks import Ask, Asks
from trimtab.steering.chooser import Chooser, scaled
from trimtab.steering.gate import PROMPTS_AT_ONCE

Edits = tuple[Edit, ...]
Way = tuple[Artifact, float]
"""An artifact whose chooser looks, at a strength."""


@dataclass(frozen=True, eq=False)
class LookingChooser(Chooser):
    """What chooses each prompt's edits by reading a few rows of it, the same ones at any strength."""

    def looks(self, prompt: Prompt, artifact: Artifact) -> tuple[Row, ...]:
        """Return the rows to read of a prompt, by default the plain prompt alone."""
        return (Row(prompt),)

    def read(self, artifact: Artifact) -> Read:
        """Return what to read of them, by default the artifact's layer at the last prompt token."""
        assert artifact.layer is not None
        return Read(logits=False, hidden=(artifact.layer,))

    @abstractmethod
    def edits_seen(self, seen: Readings, artifact: Artifact, strength: float) -> list[Edits]:
        """Return each prompt's edits.

        Args:
            seen: What was read of the rows, prompt after prompt.
            artifact: The artifact.
            strength: Not 0.
        """

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[Edits]:
        """Look, and return each prompt's edits."""
        return edits_together(model, prompts, [(artifact, strength)])[0]


@dataclass(frozen=True, eq=False)
class StrengthChooser(LookingChooser):
    """A chooser of one factor for each prompt, by which the artifact's own vector is multiplied."""

    @abstractmethod
    def factors(self, seen: Readings, artifact: Artifact) -> Tensor:
        """Return each prompt's factor on the strength, ``(prompts,)``; 0 leaves the prompt unsteered."""

    def edits_seen(self, seen: Readings, artifact: Artifact, strength: float) -> list[Edits]:
        """Return ``AddVector`` with each prompt's own strength."""
        return scaled(artifact, self.factors(seen, artifact), strength)


class Asking(Protocol):
    """What says what to ask for each prompt: an artifact, a head set."""

    def asks(self, model: ModelOrEngine, prompts: Sequence[Prompt], strength: float | None = None) -> Sequence[Ask]:
        """Return what to ask for each prompt."""
        ...


def asks_together(
    model: ModelOrEngine, prompts: Sequence[Prompt], ways: Sequence[tuple[Asking, float]]
) -> list[Sequence[Ask]]:
    """Return what to ask for each prompt under each artifact and strength, as ``asks`` does for one.

    What choosers look at is run once for all of them, whose rows then share what a prompt's rows share.

    Raises:
        ArtifactError: One was fitted on another model.
    """
    looking: dict[int, Way] = {}
    for k, (artifact, strength) in enumerate(ways):
        if isinstance(artifact, Artifact) and _looks(artifact) and strength != 0:
            artifact.check(model)
            looking[k] = artifact, strength
    edits = dict(zip(looking, edits_together(model, prompts, list(looking.values())), strict=True))
    return [
        [Row(prompt, own) for prompt, own in zip(prompts, edits[k], strict=True)]
        if k in looking
        else artifact.asks(model, prompts, strength)
        for k, (artifact, strength) in enumerate(ways)
    ]


def edits_together(model: ModelOrEngine, prompts: Sequence[Prompt], ways: Sequence[Way]) -> list[list[Edits]]:
    """Return each prompt's edits under artifacts whose choosers look, at some strengths; prompts some at a time."""
    found: list[list[Edits]] = [[] for _ in ways]
    for start in range(0, len(prompts) if ways else 0, PROMPTS_AT_ONCE):
        for own, edits in zip(found, _of_some(model, prompts[start : start + PROMPTS_AT_ONCE], ways), strict=True):
            own += edits
    return found


def _of_some(model: ModelOrEngine, prompts: Sequence[Prompt], ways: Sequence[Way]) -> list[list[Edits]]:
    lookers, asks = {_key(artifact): (artifact, _chooser(artifact)) for artifact, _ in ways}, Asks()
    places: dict[Hashable, list[int]] = {
        key: [asks.place(row) for prompt in prompts for row in chooser.looks(prompt, artifact)]
        for key, (artifact, chooser) in lookers.items()
    }
    reads = {key: chooser.read(artifact) for key, (artifact, chooser) in lookers.items()}
    layers = sorted({layer for read in reads.values() for layer in read.hidden})
    seen = run(model, asks.asks, Read(logits=any(read.logits for read in reads.values()), hidden=tuple(layers)))

    def own(key: Hashable) -> Readings:
        read, at = reads[key], places[key]
        logits = seen.logits[at] if read.logits else None
        return Readings(logits=logits, hidden={layer: seen.hidden[layer][at] for layer in read.hidden})

    read_off = {key: own(key) for key in lookers}
    return [_chooser(artifact).edits_seen(read_off[_key(artifact)], artifact, strength) for artifact, strength in ways]


def _looks(artifact: Artifact) -> bool:
    return isinstance(artifact.chooser, LookingChooser) and artifact.instruction is None


def _chooser(artifact: Artifact) -> LookingChooser:
    assert isinstance(artifact.chooser, LookingChooser)
    return artifact.chooser


def _key(artifact: Artifact) -> Hashable:
    """Return what two artifacts have in common that look at the same, such as one fit at two strengths."""
    return id(artifact.chooser), id(artifact.direction), artifact.layer, artifact.positions
