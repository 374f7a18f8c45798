"""Every job on every model, several models at a time if that is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from benchmarks.contribution.cost import random_model
from benchmarks.gpu.memory import memory
from benchmarks.speed.jobs import JOBS, Job
from benchmarks.speed.lines import Aim, Line, Lines, compared
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
