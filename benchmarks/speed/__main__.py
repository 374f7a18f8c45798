"""The ratios of docs/performance.md: every job beside the plain way and the best peer, in one run.

    python -m benchmarks.speed --out runs/bench [--model NAME ...] [--job NAME ...] [--workers N] [--page FILE]
                               [--gpu RUN] [--tiny]

The models are the bundled ones, and ``random``, one of about 300 M parameters in Qwen2.5-VL's shape. On a CPU one
thread computes and processor seconds count, so that other work on the machine does not; ``--workers 2`` measures two
models at a time, each in a process of its own. Lines are written as they are known; ``--page`` writes the page from
them at the end, with those of a run of ``benchmarks.gpu`` if ``--gpu`` names one. ``--tiny`` asks short prompts, few
rows and few rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import transformers
from benchmarks.contribution.cost import random_model
from benchmarks.gpu.memory import memory
from benchmarks.speed.jobs import JOBS, Job
from benchmarks.speed.lines import Aim, Line, Lines, compared
from benchmarks.speed.page import WHOLE, page, read
from benchmarks.speed.parts import profile
from benchmarks.speed.peers import peers
from benchmarks.speed.subject import Subject
from benchmarks.speed.timing import in_turns
from benchmarks.steering.overhead import fitted

from trimtab import Model, generate, load, read_items
from trimtab.checking import reason_of
from trimtab.steering import Artifact, LearnedTrim, TrainingSet
from trimtab.steering.learned_trim.chooser import LearnedTrimChooser
from trimtab.studies import choose_items

MODELS = ("pocket-qwen", "pocket-llava", "smol-llava", "random")
LARGE = ("random", "smol-llava")
"""Models whose passes take a second or more; the largest first."""
FEW: dict[str, Any] = {"loop_rows": 6, "batch": 2}
"""What is asked of these."""
TRAIN_ITEMS = 16
VECTORS = ("random", "mean", "l2s", "amps")
"""Methods that add one vector and ask each item once; ``every_layer`` comes beside them."""
TINY: dict[str, Any] = {"tokens": 128, "batch": 2, "new_tokens": 4, "rounds": 1, "loop_rows": 2}


def methods(subject: Subject) -> Iterator[Line]:
    """Answers under every method that adds vectors and asks each item once, beside no steering."""
    model = subject.model
    train = TrainingSet(model, choose_items(read_items("pocket-mc2:train"), TRAIN_ITEMS, 0), [subject.layer])
    artifacts = {artifact.method: artifact for artifact in fitted(model, train, "image", VECTORS)}
    artifacts["learned_trim"] = every_layer(subject)
    asked = {"plain": subject.prompts} | {name: own.asks(model, subject.prompts) for name, own in artifacts.items()}
    ways = {name: partial(generate, model, own, max_new_tokens=subject.new_tokens) for name, own in asked.items()}
    times = in_turns(ways, model.device, subject.rounds)
    for name, artifact in artifacts.items():
        most = 1.02 if artifact.chooser is None else 1.1
        yield compared("methods", times, name, "plain", Aim(most=most), 1.0)


def every_layer(subject: Subject) -> Artifact:
    """Return what ``learned_trim`` makes, a network at each layer, here with random numbers that change nothing."""
    model, generator = subject.model, torch.Generator().manual_seed(0)
    layers, hidden = model.n_layers, model.hidden_size
    shapes = {"w_in": (layers, 1, hidden), "b_in": (layers, 1), "w_out": (layers, hidden, 1), "b_out": (layers, hidden)}
    numbers = {name: 1e-4 * torch.randn(shape, generator=generator) / hidden for name, shape in shapes.items()}
    chooser = LearnedTrimChooser(list(range(layers)), "from_last_prompt", **numbers)
    return LearnedTrim("image").artifact(model, chooser=chooser)


ALL: dict[str, Job] = {**JOBS, "methods": methods, "peers": peers, "memory": memory, "profile": profile}


def opened(name: str) -> Model:
    """Return a model by name."""
    return random_model(None) if name == "random" else load(name)


def measure(name: str, jobs: list[str], lines: Lines, sizes: dict[str, Any]) -> None:
    """Do every job on a model; what fails is a line."""
    torch.set_num_threads(1)
    model = opened(name)
    subject = Subject(model, **{**(FEW if name in LARGE else {}), **sizes})
    for job in jobs:
        started = time.perf_counter()
        try:
            for line in ALL[job](subject):
                lines.write(line, model=name, at=time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 - what fails is a finding
            lines.write(Line(job, error=reason_of(error)), model=name)


def measure_all(names: list[str], jobs: list[str], lines: Lines, sizes: dict[str, Any], workers: int) -> None:
    """Measure models, so many at a time; the largest begin."""
    if workers == 1:
        for name in names:
            measure(name, jobs, lines, sizes)
        return
    first = sorted(names, key=lambda name: LARGE.index(name) if name in LARGE else len(LARGE))
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        for done in [pool.submit(measure, name, jobs, lines, sizes) for name in first]:
            done.result()


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write lines and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--job", action="append", choices=ALL)
    parser.add_argument("--workers", type=int, default=1, help="models measured at a time, each by one thread")
    parser.add_argument("--page", type=Path, help="the page to write")
    parser.add_argument("--gpu", type=Path, help="folder of a run of benchmarks.gpu, whose lines the page has too")
    parser.add_argument("--tiny", action="store_true", help="to try it: short prompts, few rows and rounds")
    options = parser.parse_args(arguments)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU, one thread"
    lines = Lines(
        options.out,
        device=device,
        torch=torch.__version__,
        transformers=transformers.__version__,
        workers=options.workers,
    )
    started, sizes = time.perf_counter(), TINY if options.tiny else {}
    measure_all(options.model or list(MODELS), options.job or list(ALL), lines, sizes, options.workers)
    lines.write(Line(WHOLE, more={"minutes": round((time.perf_counter() - started) / 60)}), model="")
    if options.page:
        gpu = read(options.gpu / "lines.jsonl") if options.gpu else []
        options.page.write_text(page(read(lines.path), "python -m benchmarks.speed --workers 2", gpu, MODELS))


if __name__ == "__main__":
    main()
