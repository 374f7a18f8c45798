"""Measured ratios as lines of a file, each written the moment it is known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.speed.timing import Times


class Aim(NamedTuple):
    """What a ratio is to be: at most, at least or within limits."""

    least: float | None = None
    most: float | None = None

    def met(self, ratio: float) -> bool:
        """Whether a ratio is as it is to be."""
        return (self.least is None or ratio >= self.least) and (self.most is None or ratio <= self.most)


NO_AIM = Aim()


@dataclass(frozen=True)
class Line:
    """One ratio.

    Attributes:
        job: What was done.
        over: The way whose cost is the numerator.
        under: The way whose cost is the denominator.
        ratio: The median ratio; None where it could not be measured.
        low: The lower end of its interval, see ``timing.Ratio``.
        high: The upper end.
        rounds: Rounds.
        aim: What the ratio is to be.
        bound: What it would be if nothing but the operations that every way needs took time; None if that is not known.
        seconds: Median seconds by way.
        more: Other numbers that belong to it.
        error: Why there is no ratio.
    """

    job: str
    over: str = ""
    under: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    aim: Aim = NO_AIM
    bound: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None if there is none, or no ratio."""
        if self.ratio is None or self.aim == NO_AIM:
            return None
        return self.aim.met(self.ratio)


def compared(
    job: str,
    times: Times,
    over: str,
    under: str,
    aim: Aim = NO_AIM,
    bound: float | None = None,
    more: dict[str, Any] | None = None,
) -> Line:
    """Return the line of two ways that took turns."""
    ratio, medians = times.ratio(over, under), times.medians()
    own = {name: medians[name] for name in (over, under)}
    return Line(job, over, under, ratio.value, ratio.low, ratio.high, ratio.rounds, aim, bound, own, more or {})


class Lines:
    """A file of lines, ``lines.jsonl``; each is on the disk when ``write`` returns."""

    def __init__(self, folder: Path, **of_all: object) -> None:
        """Begin a file.

        Args:
            folder: Where; made if it is not there.
            of_all: What every line says, such as the device.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.of_all = folder / "lines.jsonl", of_all
        self.path.write_text("")

    def write(self, line: Line, **own: object) -> None:
        """Add and print a line."""
        held = {**self.of_all, **own, **asdict(line), "aim": line.aim._asdict(), "met": line.met}
        with self.path.open("a") as file:
            file.write(json.dumps(held) + "\n")
        print(f"{own.get('model', '')!s:16} {said(line)}", flush=True)


def said(line: Line) -> str:
    """Return a line as people read it."""
    if line.ratio is None:
        return f"{line.job:16} {line.error or line.more}"
    spread = f"{line.ratio:8.3f} ({line.low:.3f} to {line.high:.3f}, {line.rounds})"
    bound = "" if line.bound is None else f", bound {line.bound:.3f}"
    met = {True: ", met", False: ", MISSED", None: ""}[line.met]
    return f"{line.job:16} {line.over} / {line.under}: {spread}{bound}{met}"
