"""One job, tried on one item: time, memory, or the reason why it does not work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from trimtab.checking.peak import Peak, free_bytes
from trimtab.checking.prompts import PromptSizes
from trimtab.engine.local.whitebox import out_of_memory
from trimtab.errors import TrimtabError
from trimtab.items import Item
from trimtab.models import Model

if TYPE_CHECKING:
    from trimtab.checking.jobs import Job

Status = Literal["works", "fails", "left out"]

AGAIN_BELOW = 3.0
"""A first try that took fewer seconds is repeated: it also loaded code and warmed up caches."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What a job is tried on.

    Attributes:
        model: The model.
        sizes: Items that can be asked; the first of them, whose prompt is the longest, is the one that is tried.
    """

    model: Model
    sizes: PromptSizes

    @property
    def items(self) -> list[Item]:
        """Items that can be asked, longest prompt first."""
        return self.sizes.usable

    @property
    def item(self) -> Item:
        """The item tried."""
        return self.items[0]

    @property
    def tokens(self) -> int:
        """Tokens of its prompt."""
        return self.sizes.tokens[0]

    @property
    def image_tokens(self) -> int:
        """Positions of its picture."""
        return self.sizes.image_tokens[0]


class Done(NamedTuple):
    """What a job did: how many units, and the seconds of one, if it timed them better than from outside."""

    units: int = 1
    seconds: float | None = None


@dataclass(frozen=True)
class JobCheck:
    """What came of a job.

    Attributes:
        job: Its name.
        verb: The verb of the command line that does it.
        status: ``works``; ``fails``; or ``left out``, where the items are not of the kind that the job is for.
        reason: Why it fails or was left out.
        unit: What ``seconds`` are for.
        seconds: Time of one unit, on the item with the longest prompt.
        units: How many units the data set comes to, at the verb's default settings.
        total_seconds: Time of these one by one, at the mean prompt's length; batches of a GPU are faster.
        expected_bytes: Memory that the job was expected to need beside the weights for the longest prompt.
        peak_bytes: Memory that it took there.
    """

    job: str
    verb: str
    status: Status
    reason: str | None
    unit: str
    seconds: float | None = None
    units: int | None = None
    total_seconds: float | None = None
    expected_bytes: int | None = None
    peak_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self)


def try_job(job: Job, trial: Trial) -> JobCheck:
    """Do a job once, on the item with the longest prompt."""
    if job.conflict and trial.item.relevant is not None:
        return _not(job, "left out", "for conflict items only, and these have a single right answer")
    expected = None
    try:
        expected, free = int(job.memory(trial)), free_bytes(trial.model.device)
        if expected > free:
            return _not(job, "fails", _too_large(trial, expected, free), expected)
        seconds, peak = _timed(trial, job.run)
    except Exception as error:  # whatever a user's model or data makes of it, a check says so and goes on
        return _not(job, "fails", reason_of(error), expected)
    units = job.units(trial)
    return JobCheck(
        job.name,
        job.verb,
        "works",
        None,
        job.unit,
        seconds,
        units,
        seconds * units * trial.sizes.share_of_longest,
        expected,
        peak,
    )


def reason_of(error: Exception) -> str:
    """Say in a sentence why something failed."""
    if isinstance(error, TrimtabError):
        return str(error)
    if out_of_memory(error):
        return "memory ran out on a single item; use a smaller model or smaller pictures, or a larger device"
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _timed(trial: Trial, run: Callable[[Trial], Done]) -> tuple[float, int]:
    """Do a job once, or twice if it is short; return the seconds of one of its units, and the peak."""
    with Peak(trial.model.device) as peak:
        seconds, took = _once(trial, run)
    if took < AGAIN_BELOW:
        seconds = min(seconds, _once(trial, run)[0])
    return seconds, peak.bytes


def _once(trial: Trial, run: Callable[[Trial], Done]) -> tuple[float, float]:
    trial.model.forget_media()  # a data set shows each picture for the first time
    started = time.perf_counter()
    done = run(trial)
    took = time.perf_counter() - started
    return took / done.units if done.seconds is None else done.seconds, took


def _not(job: Job, status: Status, reason: str, expected: int | None = None) -> JobCheck:
    return JobCheck(job.name, job.verb, status, reason, job.unit, expected_bytes=expected)


def _too_large(trial: Trial, expected: int, free: int) -> str:
    return (
        f"the longest prompt, {trial.tokens:,} tokens, needs about {expected / 1e9:.1f} GB beside the weights, and "
        f"{free / 1e9:.1f} GB are free; limit the pictures' pixels or use a larger device"
    )
