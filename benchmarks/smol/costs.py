"""What a study costs: processor seconds of each part, so that a busy machine counts no more than an idle one.

    python benchmarks/smol/costs.py recipes/smol/circuits.yaml --fast --out runs/costs

Runs the study with one thread and prints each part's seconds as it ends. Steps that the folder already has are free: a
stopped run, made again, prints what was left.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from trimtab.progress import Advance
from trimtab.studies import read_plan, run_study


@dataclass
class Stopwatch:
    """Prints the processor seconds of each task that is not inside another, and counts them."""

    total: float = 0.0
    _inside: int = field(default=0, init=False)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Time a task."""
        start = time.process_time()
        self._inside += 1
        try:
            yield lambda n: None
        finally:
            self._inside -= 1
            if not self._inside:
                spent = time.process_time() - start
                self.total += spent
                print(f"{spent:9.1f} s  {name} ({total})", flush=True)


def main() -> None:
    """Run the study and print its costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    plan, watch = read_plan(args.config), Stopwatch()
    run_study(plan.fast() if args.fast else plan, args.out, progress=watch)
    print(f"{watch.total:9.1f} s  in all")


if __name__ == "__main__":
    main()
