"""One type for every ``progress=``."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import trimtab
from trimtab.circuits import build_cases, decompose, head_scores, knockout, lens
from trimtab.engine import generate, run
from trimtab.progress import SILENT, Progress, Within, rescaled

from .steering.items import conflict_items

ELSEWHERE = ("trimtab.serving.plugin.", "trimtab.integrations.evals.lmms.", "trimtab.integrations.evals.inspect.")
"""What needs a program with an environment of its own: vLLM, lmms-eval, inspect_ai."""


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int, int]] = []

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        self.tasks.append((name, total, sum(done)))


def functions():
    """Every function and method of the package that takes ``progress``, by its full name."""
    found = {}
    for module in pkgutil.walk_packages(trimtab.__path__, "trimtab."):
        if module.name.endswith("__main__") or module.name.startswith(ELSEWHERE):
            continue
        home = importlib.import_module(module.name)
        holders = [home, *(kind for _, kind in inspect.getmembers(home, inspect.isclass))]
        for holder in holders:
            for value in vars(holder).values():
                ours = inspect.isfunction(value) and value.__module__ == module.name
                if ours and "progress" in inspect.signature(value).parameters:
                    found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


def test_every_progress_is_of_one_type():
    taken = functions()
    assert len(taken) > 30
    for name, function in taken.items():
        parameter = inspect.signature(function).parameters["progress"]
        assert parameter.annotation == "Progress", name
        known = inspect.unwrap(function).__globals__
        assert known["Progress"] is Progress, name
        assert parameter.default in (SILENT, parameter.empty), name


def test_work_is_one_task_told_to_its_end(model):
    items = conflict_items(3)
    cases = build_cases(model, items)
    prompts = [case.prompt for case in cases]
    heads = model.n_layers * model.n_heads
    for work, total in [
        (lambda p: run(model, prompts, progress=p), len(prompts)),
        (lambda p: run(model, prompts, progress=p, reuse=False), len(prompts)),
        (lambda p: generate(model, prompts, max_new_tokens=1, progress=p), len(prompts)),
        (lambda p: decompose(model, cases, progress=p), len(cases)),
        (lambda p: lens(model, cases, progress=p), len(cases)),
        (lambda p: head_scores(model, cases, "gradient", progress=p), len(cases)),
        (lambda p: head_scores(model, cases, "causal", progress=p), len(cases) * (heads + 1)),
    ]:
        heard = Heard()
        work(heard)
        assert [(total, done) for _, total, done in heard.tasks] == [(total, total)]


def test_what_is_done_within_a_task_counts_as_that_tasks(model):
    items = conflict_items(3)
    cases, heard = build_cases(model, items), Heard()
    with heard.task("all edges", 1) as advance:
        knockout(model, cases, progress=Within(advance))
    ((_, _, done),) = heard.tasks
    assert done > len(cases)


@pytest.mark.parametrize(("rows", "units"), [(7, 3), (3, 7), (5, 5)])
def test_rescaled_units_add_up(rows: int, units: int):
    told: list[int] = []
    advance = rescaled(told.append, rows, units)
    for _ in range(rows):
        advance(1)
    assert sum(told) == units
