"""What steering costs on a server: the same prompts plain, steered, and mixed, in turn.

    trimtab serve pocket-qwen --artifact l2s-image
    python benchmarks/serve/steered.py http://127.0.0.1:8000 --artifact l2s-image [--items 64] [--rounds 5]

Each round asks all prompts once in each way, 32 at a time, after one round that warms the server up: from then on it
has the prompts' unsteered part in its cache. Rates are of answers; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time

import trimtab as tt
from trimtab.engine import Row, generate
from trimtab.items.prompts import prompt_for
from trimtab.steering import Artifact


def main() -> None:
    """Ask, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--artifact", required=True)
    parser.add_argument("--data", default="pocket-mc2:test")
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    server = tt.connect(given.url)
    artifact = tt.load_artifact(given.artifact, server)
    assert isinstance(artifact, Artifact)
    edits = artifact.edits()
    prompts = [prompt_for(item) for item in tt.read_items(given.data)[: given.items]]
    ways = {
        "plain": [Row(prompt) for prompt in prompts],
        "steered": [Row(prompt, edits) for prompt in prompts],
        "every other": [Row(prompt, edits if place % 2 else ()) for place, prompt in enumerate(prompts)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(given.rounds + 1):
        for name, rows in ways.items():
            start = time.perf_counter()
            generate(server, rows, max_new_tokens=16)
            if number:
                seconds[name].append(time.perf_counter() - start)
    plain = statistics.median(seconds["plain"])
    print(f"{server.name}, {len(prompts)} prompts, {given.rounds} rounds")
    for name, own in seconds.items():
        middle = statistics.median(own)
        print(f"{name:12} {len(prompts) / middle:7.1f} answers/s, {middle / plain:.2f} times the plain one's time")


if __name__ == "__main__":
    main()
