"""What steering costs on a server: the same prompts plain, steered in each way, and mixed, in turn.

    .venv-serve/bin/python benchmarks/serve/steered.py [--model pocket-qwen] [--items 64] [--rounds 5] [--compiled]

It fits a mean vector and an L2S network, takes a few heads to double, starts `trimtab serve` with them on a free port,
and ends it. Each round asks all prompts once in each way, 32 at a time, in an order that turns from round to round,
after one round that warms the server up: from then on it has the prompts' unsteered part in its cache. Rates are of
answers as a client sees them; ratios are medians over the rounds, each against the plain one of its round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trimtab as tt
from trimtab.engine import Prompt, Row, generate
from trimtab.items.prompts import prompt_for

TOKENS = 16
TRAIN_ITEMS = 64
PATIENCE = 600.0
"""Seconds that a server may take to start."""


def main() -> None:
    """Ask, print a line for each way, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--data", default="pocket-mc2")
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compiled", action="store_true", help="have vLLM compile the model")
    parser.add_argument("--out", type=Path, default=Path("runs/serve/steered.json"))
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        artifacts = fitted(given.model, given.data, Path(folder))
        with serving(given.model, list(artifacts), given.compiled) as (url, started):
            server = tt.connect(url)
            prompts = [prompt_for(item) for item in list(tt.read_items(f"{given.data}:test"))[: given.items]]
            table = measured(server, ways(prompts, artifacts), given.rounds)
    about = {"model": given.model, "items": len(prompts), "rounds": given.rounds, "compiled": given.compiled}
    about |= {"start_seconds": started, "processors": os.cpu_count(), "machine": platform.machine()}
    print(f"{given.model}, {len(prompts)} prompts, {given.rounds} rounds; the server started in {started:.0f} s")
    for name, own in table.items():
        print(f"{name:12} {own['answers_per_second']:7.1f} answers/s, {own['time_to_plain']:.2f} times the plain time")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(about | {"ways": table}, indent=2) + "\n", encoding="utf-8")


def fitted(name: str, data: str, folder: Path) -> dict[Path, Any]:
    """Fit an artifact of each form, and save each in a folder of its own."""
    model = tt.load(name)
    items = list(tt.read_items(f"{data}:train"))[:TRAIN_ITEMS]
    heads = tt.HeadSet.of(
        model, "image", [(layer, 0) for layer in range(model.n_layers)], scope="last", instruction=None
    )
    own = {"mean": tt.MeanDifference(target="image").fit(model, items), "l2s": tt.L2S(target="image").fit(model, items)}
    return {artifact.save(folder / label): artifact for label, artifact in {**own, "heads": heads}.items()}


def ways(prompts: Sequence[Prompt], artifacts: Mapping[Path, Any]) -> dict[str, list[Row]]:
    """Return the rows of each way to ask."""
    edits = {folder.name: artifact.edits() for folder, artifact in artifacts.items()}
    turns = [(), *edits.values()]
    mixed = [Row(prompt, turns[place % len(turns)]) for place, prompt in enumerate(prompts)]
    steered = {name: [Row(prompt, own) for prompt in prompts] for name, own in edits.items()}
    return {"plain": [Row(prompt) for prompt in prompts], **steered, "mixed": mixed}


def measured(server: Any, asked: Mapping[str, list[Row]], rounds: int) -> dict[str, dict[str, Any]]:
    """Ask everything in every round, and return what each way took."""
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    names = list(asked)
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            generate(server, asked[name], max_new_tokens=TOKENS)
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {
        name: {
            "answers_per_second": len(asked[name]) / statistics.median(own),
            "time_to_plain": statistics.median(a / b for a, b in zip(own, seconds["plain"], strict=True)),
            "seconds": own,
        }
        for name, own in seconds.items()
    }


@contextmanager
def serving(model: str, artifacts: Sequence[Path], compiled: bool) -> Iterator[tuple[str, float]]:
    """Run a server, and yield its address and the seconds that it took to start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "trimtab"), "serve", model, "--port", str(port)]
    command += [word for folder in artifacts for word in ("--artifact", str(folder))]
    command += ["--compiled"] if compiled else []
    url, start = f"http://127.0.0.1:{port}", time.perf_counter()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TRIMTAB_API_KEY": ""}) as process,
    ):
        try:
            while not _answers(url):
                if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                    log.seek(0)
                    raise SystemExit(f"the server did not start:\n{log.read().decode()[-4000:]}")
                time.sleep(0.5)
            yield url, time.perf_counter() - start
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main()
