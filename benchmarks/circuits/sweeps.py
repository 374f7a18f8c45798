"""How much batching and prefix reuse save in circuit analysis: the engine beside a plain loop, in one run.

    python benchmarks/circuits/sweeps.py [--model pocket-qwen] [--items 2] [--json FILE]

Two sweeps over cases (an item under one instruction): attention knockout in a window around every layer, for each of
four edges; and every head silenced at the last prompt token. The plain loop runs one full forward pass for each row,
with the same edits by hooks (``reuse=False``). Both are timed in turn on the same rows; the largest difference between
their logits is printed, so that a fast wrong answer cannot win.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from trimtab import Model, Row, ScaleHeads, load, read_items, run
from trimtab.circuits import EDGES, Cases, build_cases, every_head, window
from trimtab.engine import BlockAttention, Readings
from trimtab.studies import choose_items

ROUNDS = 3
EDGE_NAMES = ("image to instruction", "context to instruction", "image to last", "instruction to last")


def layer_sweep(model: Model, cases: Cases) -> list[Row]:
    """A knockout in a window of three around every layer, for each edge and case."""
    rows = []
    for case in cases:
        for edge in (edge for edge in EDGES if edge.name in EDGE_NAMES):
            ends = edge.ends(case)
            if ends is not None:
                windows = [window(layer, 3, model.n_layers) for layer in range(model.n_layers)]
                rows += [Row(case.prompt, (BlockAttention(*ends, layers),)) for layers in windows]
    return rows


def head_sweep(model: Model, cases: Cases) -> list[Row]:
    """Every head silenced at the last prompt token, for each case."""
    return [
        Row(case.prompt, (ScaleHeads(layer, (head,), ("last",)),))
        for case in cases
        for layer, head in every_head(model)
    ]


def timed(model: Model, rows: Sequence[Row], reuse: bool) -> tuple[float, Readings]:
    """Return the seconds a run took, and its result."""
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = run(model, rows, reuse=reuse)
    return time.perf_counter() - start, result


def compare(model: Model, rows: Sequence[Row]) -> dict[str, float]:
    """Run both ways in turn and return medians, ratios and the largest difference of the logits."""
    run(model, rows[:2])  # warm up: encode the first pictures, build the kernels
    pairs, difference, fast, slow = [], 0.0, Readings(), Readings()
    for _ in range(ROUNDS):
        own, fast = timed(model, rows, reuse=True)
        plain, slow = timed(model, rows, reuse=False)
        pairs.append((own, plain))
        difference = max(difference, float((fast.logits - slow.logits).abs().max()))
    return {
        "rows": len(rows),
        "engine_seconds": statistics.median(own for own, _ in pairs),
        "plain_seconds": statistics.median(plain for _, plain in pairs),
        "time_ratio": statistics.median(plain / own for own, plain in pairs),
        "token_ratio": fast.cost.naive_tokens / fast.cost.tokens,
        "largest_difference": difference,
    }


def main() -> None:
    """Print one line a sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--items", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load(options.model)
    cases = build_cases(model, choose_items(read_items("pocket-mc2:test"), options.items, seed=0))
    print(f"{model}, {len(cases)} cases, {torch.get_num_threads()} threads, median of {ROUNDS} paired rounds")
    print(f"{'sweep':8} {'rows':>6} {'engine s':>9} {'plain s':>9} {'time':>7} {'tokens':>7} {'difference':>11}")
    found = {}
    for name, make in {"layers": layer_sweep, "heads": head_sweep}.items():
        found[name] = line = compare(model, make(model, cases))
        print(
            f"{name:8} {line['rows']:6} {line['engine_seconds']:9.3f} {line['plain_seconds']:9.3f} "
            f"{line['time_ratio']:6.1f}x {line['token_ratio']:6.1f}x {line['largest_difference']:11.1e}"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
