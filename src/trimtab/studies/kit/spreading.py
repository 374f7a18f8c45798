"""A study over many workers: its steps, each as soon as its inputs are there, on whichever worker is free."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from trimtab.engine import Cluster, Workers
from trimtab.progress import SILENT, Progress
from trimtab.studies.kit.run_folder import StepResult
from trimtab.studies.kit.running import list_steps, run_steps, run_study
from trimtab.studies.kit.study import StudyPlan


def spread_study(plan: StudyPlan, out: str | Path, cluster: Cluster, *, progress: Progress = SILENT) -> Path:
    """Run a study as ``run_study`` does, with its steps shared out among workers; the result has the same bytes.

    A worker that dies is replaced, and only the step that it was at is done again. Models are loaded by the workers
    alone, each as the plan says, and the last of them writes the summary.

    Args:
        plan: The plan of the study.
        out: The run folder, on a disk that all workers share.
        cluster: How many workers there are, and where.
        progress: Told of steps as they finish.

    Returns:
        The run folder.

    Raises:
        MissingDependencyError: Ray is not installed.
        UsageError: The cluster is not there or has no room, or see ``run_study``.
        RunFolderError: See ``run_study``.
        WorkerLostError: A step's worker died, however often it was begun.
    """
    out = Path(out).absolute()
    steps = [step for step in list_steps(plan, out) if not step.done]
    places = {step.name: place for place, step in enumerate(steps)}
    needs = [[places[name] for name in step.inputs if name in places] for step in steps]
    with Workers(partial(StepWorker, plan, out), cluster) as workers:
        with progress.task("steps", len(steps)) as advance:
            for _done in workers.each(StepWorker.run, [(step.name,) for step in steps], needs):
                advance(1)
        workers.everywhere(StepWorker.close)
        for _done in workers.each(StepWorker.finish, [()]):
            pass
    return out


class StepWorker:
    """Runs steps of a study in one process, with models, items and training states got once."""

    def __init__(self, plan: StudyPlan, out: Path) -> None:
        """Say of which study."""
        self._plan, self._out = plan, out
        self._name = ""
        self._results: Iterator[StepResult] | None = None

    def run(self, name: str) -> None:
        """Run a step; what it finds is in the run folder."""
        self._results, results = None, self._results or run_steps(self._plan, self._out, self._names())
        self._name = name
        next(results)
        self._results = results

    def _names(self) -> Iterator[str]:
        while True:
            yield self._name

    def close(self) -> None:
        """Let go of the run folder."""
        self._results = None

    def finish(self) -> None:
        """Write what all steps found."""
        run_study(self._plan, self._out)
