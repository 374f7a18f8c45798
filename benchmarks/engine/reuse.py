"""How much the shared prefix saves: the engine beside the plain way, side by side in one run.

    python benchmarks/engine/reuse.py [--model pocket-qwen] [--items 16] [--device cuda]

Three questions of the kind trimtab asks all day: a strength sweep, the three instructions of one item, and reading
one layer. Each is answered by the engine and by one full pass a row (``reuse=False``), in turn, and the ratio of their
times is printed with the ratio of the token positions they computed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from trimtab import AddVector, Model, Read, Row, load, read_items, run
from trimtab.engine import Prompt, Readings
from trimtab.items.prompts import INSTRUCTIONS, prompt_for

ROUNDS = 3


def sweep(model: Model, prompts: list[Prompt]) -> list[Row]:
    """Eleven strengths of one vector for each prompt."""
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    layer = model.n_layers // 2
    return [Row(p, (AddVector(layer, vector, s / 10),)) for p in prompts for s in range(11)]


def instructions(_model: Model, prompts: list[Prompt]) -> list[Row]:
    """Each prompt without an instruction and with either."""
    return [Row(p.with_instruction(i)) for p in prompts for i in (None, *INSTRUCTIONS.values())]


def plain(_model: Model, prompts: list[Prompt]) -> list[Row]:
    """Each prompt once."""
    return [Row(p) for p in prompts]


CASES: dict[str, tuple[Callable[[Model, list[Prompt]], list[Row]], Callable[[Model], Read]]] = {
    "strength sweep of 11": (sweep, lambda _m: Read()),
    "three instructions": (instructions, lambda _m: Read()),
    "read the middle layer": (plain, lambda m: Read(logits=False, hidden=(m.n_layers // 2,))),
}


def timed(model: Model, rows: list[Row], read: Read, reuse: bool) -> tuple[float, Readings]:
    """Return the seconds a run took, and its result."""
    start = time.perf_counter()
    result = run(model, rows, read, reuse=reuse)
    return time.perf_counter() - start, result


def compare(model: Model, rows: list[Row], read: Read) -> str:
    """Run both ways in turn and return the line of figures."""
    run(model, rows[:2], read)  # warm up: encode the first pictures, build the kernels
    pairs, readings = [], Readings()
    for _ in range(ROUNDS):
        fast, readings = timed(model, rows, read, reuse=True)
        slow, _plain = timed(model, rows, read, reuse=False)
        pairs.append((fast, slow))
    fast, slow = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = statistics.median(s / f for f, s in pairs)
    tokens = readings.cost.naive_tokens / readings.cost.tokens
    return f"{len(rows):5} {fast:9.3f} {slow:9.3f} {ratio:10.1f}x {tokens:11.1f}x"


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--items", type=int, default=16)
    parser.add_argument("--device", help="left out, CUDA if there is one")
    options = parser.parse_args()
    model = load(options.model, device=options.device)
    prompts = [prompt_for(item) for item in read_items("pocket-mc2:test")[: options.items]]
    print(f"{model}, {len(prompts)} items, {torch.get_num_threads()} threads, median of {ROUNDS} paired rounds")
    print(f"{'case':24} {'rows':>5} {'engine s':>9} {'plain s':>9} {'time ratio':>11} {'token ratio':>12}")
    for name, (make, read) in CASES.items():
        print(f"{name:24} {compare(model, make(model, prompts), read(model))}")


if __name__ == "__main__":
    main()
