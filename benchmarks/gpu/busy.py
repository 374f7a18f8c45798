"""How much of a job's time the device computes: the rest is Python that the device waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from benchmarks.contribution.cost import LIMIT
from benchmarks.speed.jobs import head_rows, native_answers, window_rows
from benchmarks.speed.lines import Line
from benchmarks.speed.subject import Subject
from torch.profiler import ProfilerActivity, profile

from trimtab import Model, generate, run
from trimtab.contribution.mcs import score_cases


def busy(subject: Subject) -> Iterator[Line]:
    """Profile one run of each job."""
    model, prompts, new = subject.model, subject.prompts, subject.new_tokens
    works: dict[str, Callable[[], object]] = {
        "transformers": lambda: native_answers(model, prompts, new),
        "answers": lambda: generate(model, prompts, max_new_tokens=new),
        "exact score": lambda: score_cases(model, [subject.case], LIMIT),
        "windows": lambda: run(model, window_rows(subject)),
        "heads": lambda: run(model, head_rows(subject)),
    }
    for name, work in works.items():
        yield _one(f"busy: {name}", model, work)


def _one(title: str, model: Model, work: Callable[[], object]) -> Line:
    on_gpu = model.device.type == "cuda"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    work()
    with profile(activities=[activity], acc_events=True) as found:
        started = time.perf_counter()
        work()
        if on_gpu:
            torch.cuda.synchronize(model.device)
        wall = time.perf_counter() - started
    events = found.key_averages()
    times = {e.key: (e.self_device_time_total if on_gpu else e.self_cpu_time_total) / 1e6 for e in events}
    counts, spent = {e.key: e.count for e in events}, sum(times.values())
    largest = sorted(times, key=lambda name: -times[name])[:8]
    more = {"calls": sum(counts.values()), "largest": {name[:80]: (counts[name], times[name]) for name in largest}}
    return Line(title, "device", "clock", spent / wall, spent / wall, spent / wall, 1, more=more)
