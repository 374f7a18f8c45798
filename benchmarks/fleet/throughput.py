"""How much faster workers are than one: the same rows and items, in turns, on a fleet of one and on one of several.

    python -m benchmarks.fleet.throughput [--model pocket-qwen] [--data pocket-mc2:test] [--items 200] [--workers 2]
                                          [--rounds 5] [--device-map auto] [--out fleet.json]

Needs Ray (``pip install 'trimtab[ray]'``). Both fleets hold their models from the start; while one works, the other
waits. A round asks for an answer to each item and for each item's contributions, of one fleet and then of the other,
and its ratio is the time of the one worker over the time of the several: 2 is the most that two can reach. Each job is
done once before it is timed. That both find the same is checked each round. The machine should be idle otherwise. On a
single GPU, which both fleets share: ``--gpus-per-worker 0.33``.
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
from trimtab.engine import Fleet, Row, generate
from trimtab.engine.fleets.cluster import the_ray
from trimtab.items import Item
from trimtab.items.prompts import prompt_for
from trimtab.studies import choose_items

Job = Callable[[Fleet], object]
"""Work of a fleet, and what it finds."""


def jobs(items: Sequence[Item]) -> dict[str, Job]:
    """Return what is timed: rows, which are cut by their tokens, and items, which are measured where the model is."""
    rows = [Row(prompt_for(item)) for item in items]
    return {
        "answers": lambda fleet: generate(fleet, rows, max_new_tokens=8).tokens,
        "contribution": lambda fleet: tt.measure(fleet, items).rows(),
    }


def timed(job: Job, fleet: Fleet) -> tuple[float, object]:
    """Return the seconds that a job takes, and what it finds."""
    started = time.perf_counter()
    found = job(fleet)
    return time.perf_counter() - started, found


def compared(job: Job, one: Fleet, several: Fleet, rounds: int) -> dict[str, Any]:
    """Do a job in turns, and return seconds and ratios of each round.

    Raises:
        AssertionError: The fleets find different things.
    """
    seconds: dict[str, list[float]] = {"one": [], "several": []}
    for fleet in (one, several):
        job(fleet)
    for number in range(rounds):
        found = []
        turns = [("one", one), ("several", several)]
        for name, fleet in turns if number % 2 == 0 else reversed(turns):  # neither is always first
            taken, result = timed(job, fleet)
            seconds[name].append(taken)
            found.append(result)
        assert found[0] == found[1], "one worker and several must find the same"
    ratios = [a / b for a, b in zip(seconds["one"], seconds["several"], strict=True)]
    return {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "seconds": seconds}


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--data", default="pocket-mc2:test")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--piece-tokens", type=int, default=4096)
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
        found = {name: compared(job, one, several, chosen.rounds) for name, job in jobs(items).items()}
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
