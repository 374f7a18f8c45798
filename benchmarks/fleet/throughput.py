"""How much faster workers are than one: the same items, in turns, on a fleet of one and on one of several.

    python -m benchmarks.fleet.throughput [--model pocket-qwen] [--data pocket-mc2:test] [--items 144] [--workers 2]
                                          [--rounds 3] [--device-map auto] [--out fleet.json]

Needs Ray (``pip install 'trimtab[ray]'``, or the environment of ``make test-fleet``, ``.venv-fleet``), and some minutes
on an idle machine. Both fleets hold their models from the start; while one works, the other waits. A round is
``evaluate`` (an answer to each item, without steering and under an instruction) or ``measure`` (each item's
contributions) on one fleet and then on the other, and its ratio is the time of the one worker over the time of the
several: 2 is the most that two can reach. Each job is done once on a few items before it is timed. That both find the
same is checked each round. On a single GPU, which both fleets share: ``--gpus-per-worker 0.33``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import trimtab as tt
from trimtab.engine import Fleet
from trimtab.engine.fleets.cluster import the_ray
from trimtab.items import Item
from trimtab.studies import choose_items

Job = Callable[[Fleet, Sequence[Item]], object]
"""Work of a fleet on items, and what it finds."""

WARM = 8
"""Items that each job is done on before it is timed."""


def evaluated(fleet: Fleet, items: Sequence[Item]) -> object:
    """Answer and judge: rows, which are cut by their tokens."""
    artifacts = [method.fit(fleet) for method in (tt.NoSteering(target="image"), tt.Instruction(target="image"))]
    return tt.evaluate(fleet, items, artifacts, max_new_tokens=8).answers.to_dict("records")


def measured(fleet: Fleet, items: Sequence[Item]) -> object:
    """Measure contributions: items, which are measured where the model is."""
    return tt.measure(fleet, items).rows()


JOBS: dict[str, Job] = {"evaluate": evaluated, "measure": measured}


def timed(job: Job, fleet: Fleet, items: Sequence[Item]) -> tuple[float, object]:
    """Return the seconds that a job takes, and what it finds."""
    started = time.perf_counter()
    found = job(fleet, items)
    return time.perf_counter() - started, found


def compared(name: str, fleets: dict[str, Fleet], items: Sequence[Item], rounds: int) -> dict[str, Any]:
    """Do a job in turns, print each round, and return seconds and ratios of all.

    Raises:
        AssertionError: The fleets find different things.
    """
    job = JOBS[name]
    seconds: dict[str, list[float]] = {own: [] for own in fleets}
    for fleet in fleets.values():
        job(fleet, items[:WARM])
    for number in range(rounds):
        found = []
        for own in list(fleets)[:: -1 if number % 2 else 1]:  # neither is always first
            taken, result = timed(job, fleets[own], items)
            seconds[own].append(taken)
            found.append(result)
        assert found[0] == found[1], "one worker and several must find the same"
        times = ", ".join(f"{own} {taken[-1]:.1f} s" for own, taken in seconds.items())
        print(f"{name}, round {number + 1} of {rounds}: {times}", flush=True)
    ratios = [a / b for a, b in zip(seconds["one"], seconds["several"], strict=True)]
    return {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "seconds": seconds}


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--data", default="pocket-mc2:test")
    parser.add_argument("--items", type=int, default=144)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--piece-tokens", type=int, default=1024)
    parser.add_argument("--gpus-per-worker", type=float, default=1.0 if torch.cuda.is_available() else 0.0)
    parser.add_argument("--device-map")
    parser.add_argument("--out", type=Path, default=Path("fleet.json"))
    return parser.parse_args()


def main() -> None:
    """Print a line for each job, and write all that was found."""
    chosen = options()
    os.environ.setdefault("RAY_worker_niceness", "0")
    quiet = {"log_to_driver": False, "include_dashboard": False, "logging_level": "ERROR"}
    # The fleet that waits takes no core, though Ray counts one for each of its workers.
    the_ray().init(address="local", num_cpus=chosen.workers + 1, _node_ip_address="127.0.0.1", **quiet)
    items = choose_items(tt.read_items(chosen.data), chosen.items, 0)
    loading = {"device_map": chosen.device_map} if chosen.device_map else {}
    common = {"gpus_per_worker": chosen.gpus_per_worker, "piece_tokens": chosen.piece_tokens, **loading}
    with (
        tt.fleet(chosen.model, workers=1, **common) as one,
        tt.fleet(chosen.model, workers=chosen.workers, **common) as several,
    ):
        fleets = {"one": one, "several": several}
        print(f"{len(items)} items; one worker and {chosen.workers} hold {chosen.model}", flush=True)
        found = {name: compared(name, fleets, items, chosen.rounds) for name in JOBS}
        device = one.device
    for name, own in found.items():
        print(
            f"{name}: {chosen.workers} workers do {own['ratio']:.2f} times the work of one ({own['low']:.2f} to "
            f"{own['high']:.2f} over {chosen.rounds} rounds)"
        )
    facts = {
        "command": " ".join(["python", "-m", "benchmarks.fleet.throughput", *sys.argv[1:]]),
        "model": chosen.model,
        "items": len(items),
        "workers": chosen.workers,
        "piece_tokens": chosen.piece_tokens,
        "device": device,
        "cores": os.cpu_count(),
        "versions": {"trimtab": tt.__version__, "torch": torch.__version__, "ray": the_ray().__version__},
    }
    chosen.out.write_text(json.dumps({**facts, "jobs": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
