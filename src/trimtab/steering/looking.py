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

Edits = tuple[Edit, ...]
Way = tuple[Artifact, float]
"""An artifact whose chooser looks, at a strength."""


PROMPTS_AT_ONCE = 32
"""Prompts that are looked at together: each has several rows, whose logits are held."""
ROWS_AT_ONCE = 256
"""Rows that are tried together, about."""


@dataclass(frozen=True, eq=False)
class LookingChooser(Chooser):
    """What chooses how each prompt is asked by reading a few rows of it, the same ones at any strength.

    A chooser of edits overrides ``edits_seen``; any other ``asks_seen``.
    """

    def looks(self, prompt: Prompt, artifact: Artifact) -> tuple[Row, ...]:
        """Return the rows to read of a prompt, by default the plain prompt alone.

        There are as many for each prompt, or none: then the prompt is asked as it is.
        """
        return (Row(prompt),)

    def read(self, artifact: Artifact) -> Read:
        """Return what to read of them, by default the artifact's layer at the last prompt token."""
        assert artifact.layer is not None
        return Read(logits=False, hidden=(artifact.layer,))

    def edits_seen(self, seen: Readings, artifact: Artifact, strength: float) -> list[Edits]:
        """Return each prompt's edits.

        Args:
            seen: What was read of the rows, prompt after prompt.
            artifact: The artifact.
            strength: Not 0.
        """
        raise NotImplementedError

    def asks_seen(self, prompts: Sequence[Prompt], seen: Readings, artifact: Artifact, strength: float) -> list[Ask]:
        """Return what to ask for each prompt that was looked at, by default the prompt under its edits."""
        own = self.edits_seen(seen, artifact, strength)
        return [Row(prompt, edits) for prompt, edits in zip(prompts, own, strict=True)]

    def asks(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> Sequence[Ask]:
        """Look, and return what to ask for each prompt."""
        return _asks_of(model, prompts, [(artifact, strength)])[0]


@dataclass(frozen=True, eq=False)
class StrengthChooser(LookingChooser):
    """A chooser of one factor for each prompt, by which the artifact's own vector is multiplied."""

    @abstractmethod
    def factors(self, seen: Readings, artifact: Artifact) -> Tensor:
        """Return each prompt's factor on the strength, ``(prompts,)``; 0 leaves the prompt unsteered."""

    def edits_seen(self, seen: Readings, artifact: Artifact, strength: float) -> list[Edits]:
        """Return ``AddVector`` with each prompt's own strength."""
        return scaled(artifact, self.factors(seen, artifact), strength)


@dataclass(frozen=True, eq=False)
class TryingChooser(LookingChooser):
    """What tries several rows of each prompt once it has looked, and asks the best of them."""

    @abstractmethod
    def tries(
        self, prompts: Sequence[Prompt], seen: Readings, artifact: Artifact, strength: float
    ) -> list[tuple[Row, ...]]:
        """Return the rows to try of each prompt that was looked at; of none, the prompt is asked as it is."""

    @abstractmethod
    def best(self, seen: Readings, tried: Tensor) -> int:
        """Return the best row of a prompt.

        Args:
            seen: What was read of the prompt's own rows.
            tried: Logits of the first answer token under each row, ``(rows, vocabulary)``.
        """


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
    chosen = dict(zip(looking, _asks_of(model, prompts, list(looking.values())), strict=True))
    return [
        chosen[k] if k in looking else artifact.asks(model, prompts, strength)
        for k, (artifact, strength) in enumerate(ways)
    ]


def _asks_of(model: ModelOrEngine, prompts: Sequence[Prompt], ways: Sequence[Way]) -> list[list[Ask]]:
    """Return what to ask for each prompt under artifacts whose choosers look; prompts are looked at some at a time."""
    found: list[list[Ask]] = [[] for _ in ways]
    for start in range(0, len(prompts) if ways else 0, PROMPTS_AT_ONCE):
        for own, asks in zip(found, _of_some(model, prompts[start : start + PROMPTS_AT_ONCE], ways), strict=True):
            own += asks
    return found


@dataclass(frozen=True)
class _Looker:
    """What looks at some prompts: a chooser with its artifact.

    Attributes:
        artifact: The artifact.
        rows: Places of the rows of each prompt among those of the run; of a prompt that is asked as it is, none.
    """

    artifact: Artifact
    rows: list[list[int]]

    @property
    def prompts(self) -> list[int]:
        """Places of the prompts that it looks at."""
        return [k for k, own in enumerate(self.rows) if own]

    def seen(self, everything: Readings, prompts: Sequence[int]) -> Readings:
        """Return what was read of some prompts."""
        read, at = _chooser(self.artifact).read(self.artifact), [place for k in prompts for place in self.rows[k]]
        logits = everything.logits[at] if read.logits else None
        return Readings(logits=logits, hidden={layer: everything.hidden[layer][at] for layer in read.hidden})


def _of_some(model: ModelOrEngine, prompts: Sequence[Prompt], ways: Sequence[Way]) -> list[list[Ask]]:
    rows, lookers = Asks(), {}
    for artifact, _ in ways:
        if _key(artifact) not in lookers:
            looks = [_chooser(artifact).looks(prompt, artifact) for prompt in prompts]
            lookers[_key(artifact)] = _Looker(artifact, [[rows.place(row) for row in own] for own in looks])
    found = [list[Ask](map(Row, prompts)) for _ in ways]
    if not rows.asks:
        return found
    reads = [_chooser(looker.artifact).read(looker.artifact) for looker in lookers.values() if looker.prompts]
    layers = tuple(sorted({layer for read in reads for layer in read.hidden}))
    everything = run(model, rows.asks, Read(logits=any(read.logits for read in reads), hidden=layers))
    trials = []
    for own, (artifact, strength) in zip(found, ways, strict=True):
        looker, chooser = lookers[_key(artifact)], _chooser(artifact)
        if not looker.prompts:
            continue
        given = [prompts[k] for k in looker.prompts], looker.seen(everything, looker.prompts), artifact, strength
        if isinstance(chooser, TryingChooser):
            tries = dict(zip(looker.prompts, chooser.tries(*given), strict=True))
            trials.append(_Trial(chooser, looker, {k: rows for k, rows in tries.items() if rows}, own))
            continue
        for k, ask in zip(looker.prompts, chooser.asks_seen(*given), strict=True):
            own[k] = ask
    _try(model, trials, everything)
    return found


@dataclass(frozen=True)
class _Trial:
    """What a chooser tries.

    Attributes:
        chooser: The chooser.
        looker: What it has seen.
        rows: The rows that it tries, by the places of their prompts.
        found: What is asked of all prompts, into which the best rows are put.
    """

    chooser: TryingChooser
    looker: _Looker
    rows: dict[int, tuple[Row, ...]]
    found: list[Ask]

    def settle(self, prompt: int, everything: Readings, tried: Tensor) -> None:
        """Ask the best of a prompt's rows."""
        best = self.chooser.best(self.looker.seen(everything, [prompt]), tried)
        self.found[prompt] = self.rows[prompt][best]


def _try(model: ModelOrEngine, trials: Sequence[_Trial], everything: Readings) -> None:
    """Try the rows of all, a few prompts at a time, each prompt's in one run in which they share its beginning."""
    waiting: list[tuple[_Trial, int]] = []
    for prompt in sorted({prompt for trial in trials for prompt in trial.rows}):
        waiting += [(trial, prompt) for trial in trials if prompt in trial.rows]
        if sum(len(trial.rows[k]) for trial, k in waiting) >= ROWS_AT_ONCE:
            _settle(model, waiting, everything)
            waiting = []
    if waiting:
        _settle(model, waiting, everything)


def _settle(model: ModelOrEngine, waiting: Sequence[tuple[_Trial, int]], everything: Readings) -> None:
    counts = [len(trial.rows[prompt]) for trial, prompt in waiting]
    tried = run(model, [row for trial, prompt in waiting for row in trial.rows[prompt]]).logits.split(counts)
    for (trial, prompt), own in zip(waiting, tried, strict=True):
        trial.settle(prompt, everything, own)


def _looks(artifact: Artifact) -> bool:
    return isinstance(artifact.chooser, LookingChooser) and artifact.instruction is None


def _chooser(artifact: Artifact) -> LookingChooser:
    assert isinstance(artifact.chooser, LookingChooser)
    return artifact.chooser


def _key(artifact: Artifact) -> Hashable:
    """Return what two artifacts have in common that look at the same, such as one fit at two strengths."""
    return id(artifact.chooser), id(artifact.direction), artifact.layer, artifact.positions
