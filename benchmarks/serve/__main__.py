"""What a server costs: the plug-in over vLLM without it, and steered over plain requests, side by side.

    .venv-serve/bin/python -m benchmarks.serve [--model pocket-qwen] [--rounds 15] [--prompts 64]
                                          [--clients 1 8 32] [--compiled] [--page docs/serving.md]

It fits a mean vector and an L2S network, takes a few heads to double, and starts two servers with the same options:
one by `trimtab serve`, and vLLM's own without the plug-in. They take turns, so that one alone is busy. Each round asks
every server in every way, by 1, 8 and 32 clients that each wait for an answer before they ask again; the order turns
from round to round, and one round before all warms the servers up. A server that has waited for the other is slow at
first, so it is asked once more, which is not timed. Answers are streams of as many tokens, and no prompt
finds anything of itself in the cache. Rounds are short and many, since a machine's pace drifts by more than what is
looked for: ratios are those of one round, and the table has their median with its 95 % interval. Plain requests are
asked twice a round, which shows what chance alone does. ``--page`` writes the table between the model's two marks on
that page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.serve.clients import Asked, Load, load
from benchmarks.serve.page import write
from benchmarks.serve.servers import Servers, started
from benchmarks.speed.timing import Ratio, Times

import trimtab as tt
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.serving.client.messages import messages_of

TRAIN_ITEMS = 64
CLIENTS = {1: 1 / 16, 8: 1 / 4, 32: 1.0}
"""How many clients there are, and which share of the prompts they ask together."""
TOKENS = 16


def main() -> None:
    """Ask, print a line for each way, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--data", default="pocket-mc2")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clients", type=int, nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--compiled", action="store_true", help="have vLLM compile the model")
    parser.add_argument("--out", type=Path, default=Path("runs/serve/costs.json"))
    parser.add_argument("--page", type=Path, help="page to write the table into")
    given = parser.parse_args()

    model = tt.load(given.model)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        artifacts = fitted(model, given.data, Path(folder))
        servers = stack.enter_context(started(model, artifacts, Path(folder), given.compiled))
        prompts = [prompt_for(item) for item in list(tt.read_items(f"{given.data}:test"))[: given.prompts]]
        messages = [messages_of(prompt, given.model) for prompt in prompts]
        began = time.perf_counter()
        cells = measured(servers, given.model, messages, given.clients, given.rounds)
    told: dict[str, Any] = {
        "model": given.model,
        "compiled": given.compiled,
        "rounds": given.rounds,
        "tokens": TOKENS,
        "prompts": given.prompts,
        "seconds": time.perf_counter() - began,
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "cells": summary(cells),
    }
    for cell in told["cells"]:
        print(
            f"{cell['clients']:3} clients, {cell['way']:8} {cell['answers_per_second']:7.2f} answers/s, first token "
            f"after {cell['first_token_seconds']:.3f} s; over {cell['over']}: {cell['rate']} and {cell['first']}"
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if given.page is not None:
        write(given.page, told)


def fitted(model: Model, data: str, folder: Path) -> list[Path]:
    """Fit an artifact of each form, and save each in a folder of its own."""
    items = list(tt.read_items(f"{data}:train"))[:TRAIN_ITEMS]
    heads = [(layer, 0) for layer in range(model.n_layers)]
    own = {
        "mean": tt.MeanDifference(target="image").fit(model, items),
        "l2s": tt.L2S(target="image").fit(model, items),
        "heads": tt.HeadSet.of(model, "image", heads, scope="last", instruction=None),
    }
    return [artifact.save(folder / label) for label, artifact in own.items()]


WAYS: dict[str, Sequence[Any]] = {
    "bare": (None,),
    "plain": (None,),
    "again": (None,),
    "mean": ("mean",),
    "l2s": ("l2s",),
    "heads": ("heads",),
    "several": (["mean", "l2s", "heads"],),
    "mixed": (None, "mean", "l2s", "heads", ["mean", "heads"]),
}
"""What artifacts requests name, in turn; ``bare`` is the server without the plug-in."""


def measured(
    servers: Servers, name: str, messages: Sequence[Any], counts: Sequence[int], rounds: int
) -> dict[tuple[int, str], list[Load]]:
    """Ask everything in every round, by so many clients at once each."""
    cells: dict[tuple[int, str], list[Load]] = {(clients, way): [] for clients in counts for way in WAYS}
    ways = list(WAYS)
    last = ""
    for number in range(rounds + 1):
        turn = number % len(ways)
        for clients in counts:
            some = messages[: max(1, round(CLIENTS[clients] * len(messages)))]
            for way in ways[turn:] + ways[:turn]:
                server = servers.bare if way == "bare" else servers.steering
                salt = f"{number} {clients} {way}"
                if server != last:
                    load(server, requests(name, some, "plain", f"{salt}, not timed"), clients)
                last = server
                found = load(server, requests(name, some, way, salt), clients)
                if number:
                    cells[clients, way].append(found)
    return cells


def requests(name: str, messages: Sequence[Any], way: str, salt: str) -> list[Asked]:
    """Return what is asked, steered by the way's artifacts in turn."""
    named = WAYS[way]
    return [Asked(name, content, named[k % len(named)], TOKENS, salt) for k, content in enumerate(messages)]


def summary(cells: Mapping[tuple[int, str], Sequence[Load]]) -> list[dict[str, Any]]:
    """Return what each cell took, and its ratios to the cell that it is held against, round by round."""
    found = []
    for clients in sorted({clients for clients, _way in cells}):
        loads = {way: cells[clients, way] for way in WAYS}
        whole = Times({way: [own.seconds for own in rounds] for way, rounds in loads.items()})
        first = Times({way: [own.first_token for own in rounds] for way, rounds in loads.items()})
        for way, rounds in loads.items():
            over = "bare" if way in ("bare", "plain") else "plain"
            found.append(
                {
                    "clients": clients,
                    "way": way,
                    "over": over,
                    "answers_per_second": rounds[0].answers / whole.medians()[way],
                    "first_token_seconds": first.medians()[way],
                    "rate": _rounded(whole.ratio(over, way)),
                    "first": _rounded(first.ratio(way, over)),
                }
            )
    return found


def _rounded(found: Ratio) -> list[float]:
    """Return the median and the ends of its interval."""
    return [round(value, 3) for value in (found.value, found.low, found.high)]


if __name__ == "__main__":
    main()
