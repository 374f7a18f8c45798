"""Ways of doing the same, timed in turns: what counts is their ratio in one run; a slow moment slows all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from scipy.stats import binom

Ways = Mapping[str, Callable[[], object]]
"""By name, what does the work."""


@dataclass(frozen=True)
class Ratio:
    """How many times as long one way takes as another.

    Attributes:
        value: The median of the rounds' ratios.
        low: The lower end of its 95 % interval, by the order of the rounds; the least of fewer than six.
        high: The upper end.
        rounds: How many there were.
    """

    value: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True)
class Times:
    """Seconds of each way, a number for each round.

    Attributes:
        seconds: By way; of one that did a part of the work alone, what all of it would take.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, over: str, under: str) -> Ratio:
        """Return how many times as long ``over`` took as ``under``, round by round."""
        found = sorted(a / b for a, b in zip(self.seconds[over], self.seconds[under], strict=True))
        last = len(found) - 1
        outer = _beyond(len(found))
        return Ratio(statistics.median(found), found[outer], found[last - outer], len(found))

    def medians(self) -> dict[str, float]:
        """Return the median seconds of each way."""
        return {name: statistics.median(own) for name, own in self.seconds.items()}


PATIENCE = 12.0
"""Seconds within which there are more rounds on a CPU than were asked for: its times vary by a tenth, often more."""
MOST_ROUNDS = 25


def _beyond(rounds: int) -> int:
    """Return how many of the sorted rounds lie beyond each end of the median's interval."""
    return max(0, int(binom.ppf(0.025, rounds, 0.5)) - 1)


def now(device: torch.device) -> float:
    """Return seconds: the processor's on a CPU, the clock's on a GPU once all that was asked of it is done."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds some work took; see ``now``."""
    started = now(device)
    work()
    return now(device) - started


def in_turns(ways: Ways, device: torch.device, rounds: int, shares: Mapping[str, float] | None = None) -> Times:
    """Warm each way up once, then time them round after round, every other round in the opposite order.

    Args:
        ways: What to time.
        device: Where it computes.
        rounds: How often each is timed, at least; see ``PATIENCE``.
        shares: Of a way that does a part of the work, which part; its seconds are divided by it.
    """
    started = now(device)
    for work in ways.values():
        work()
    if device.type == "cpu" and rounds > 1:
        rounds = max(rounds, min(MOST_ROUNDS, int(PATIENCE / max(now(device) - started, 1e-6))))
    found = Times({name: [] for name in ways})
    for number in range(rounds):
        names = list(ways)[:: -1 if number % 2 else 1]
        for name in names:
            found.seconds[name].append(seconds(ways[name], device) / (shares or {}).get(name, 1))
    return found
