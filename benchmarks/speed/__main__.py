"""The ratios of docs/performance.md: every job beside the plain way and the best peer, in one run.

    python -m benchmarks.speed --out runs/bench [--model NAME ...] [--job NAME ...] [--page FILE] [--gpu RUN] [--tiny]

The models are the bundled ones, and ``random``, one of about 300 M parameters in Qwen2.5-VL's shape. On a CPU one
thread computes and processor seconds count, so that other work on the machine does not. Lines are written as they are
known; ``--page`` writes the page from them at the end, with those of a run of ``benchmarks.gpu`` if ``--gpu`` names
one. ``--tiny`` asks short prompts, few rows and few rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from benchmarks.contribution.cost import random_model
from benchmarks.gpu.memory import memory
from benchmarks.speed.jobs import JOBS, Job
from benchmarks.speed.lines import Aim, Line, Lines, compared
from benchmarks.speed.page import page, read
from benchmarks.speed.parts import profile
from benchmarks.speed.peers import peers
from benchmarks.speed.subject import Subject
from benchmarks.speed.timing import in_turns
from benchmarks.steering.overhead import fitted

from trimtab import Model, generate, load, read_items
from trimtab.checking import reason_of
from trimtab.steering import TrainingSet
from trimtab.studies import choose_items

MODELS = ("pocket-qwen", "pocket-llava", "smol-llava", "random")
LARGE = ("smol-llava", "random")
"""Models whose sweeps by a loop take seconds a row."""
TRAIN_ITEMS = 16
VECTORS = ("random", "mean", "l2s", "amps")
"""The methods that add a vector and ask each item once."""
TINY: dict[str, Any] = {"tokens": 128, "batch": 2, "new_tokens": 4, "rounds": 1, "loop_rows": 2}


def methods(subject: Subject) -> Iterator[Line]:
    """Answers under every method that adds vectors and asks each item once, beside no steering."""
    model = subject.model
    train = TrainingSet(model, choose_items(read_items("pocket-mc2:train"), TRAIN_ITEMS, 0), [subject.layer])
    for artifact in fitted(model, train, "image", VECTORS):
        asked = artifact.asks(model, subject.prompts)
        ways = {
            "steered": lambda asked=asked: generate(model, asked, max_new_tokens=subject.new_tokens),
            "plain": lambda: generate(model, subject.prompts, max_new_tokens=subject.new_tokens),
        }
        times = in_turns(ways, model.device, subject.rounds)
        most = 1.02 if isinstance(artifact.direction, torch.Tensor) else 1.1
        yield compared(f"methods: {artifact.method}", times, "steered", "plain", Aim(most=most), 1.0)


ALL: dict[str, Job] = {**JOBS, "methods": methods, "peers": peers, "memory": memory, "profile": profile}


def opened(name: str) -> Model:
    """Return a model by name."""
    return random_model(None) if name == "random" else load(name)


def measure(names: list[str], jobs: list[str], lines: Lines, sizes: dict[str, Any]) -> None:
    """Do every job on every model; what fails is a line."""
    for name in names:
        model = opened(name)
        few = {"loop_rows": 6} if name in LARGE else {}
        subject = Subject(model, **{**few, **sizes})
        for job in jobs:
            started = time.perf_counter()
            try:
                for line in ALL[job](subject):
                    lines.write(line, model=name, at=time.perf_counter() - started)
            except Exception as error:  # noqa: BLE001 - what fails is a finding
                lines.write(Line(job, error=reason_of(error)), model=name)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write lines and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--job", action="append", choices=ALL)
    parser.add_argument("--page", type=Path, help="the page to write")
    parser.add_argument("--gpu", type=Path, help="folder of a run of benchmarks.gpu, whose lines the page has too")
    parser.add_argument("--tiny", action="store_true", help="to try it: short prompts, few rows and rounds")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU, one thread"
    lines = Lines(options.out, device=device, torch=torch.__version__, transformers=transformers.__version__)
    measure(options.model or list(MODELS), options.job or list(ALL), lines, TINY if options.tiny else {})
    if options.page:
        gpu = read(options.gpu / "lines.jsonl") if options.gpu else []
        options.page.write_text(page(read(lines.path), "python -m benchmarks.speed --out runs/bench", gpu, MODELS))


if __name__ == "__main__":
    main()
