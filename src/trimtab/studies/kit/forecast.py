"""What a study will cost, said before it starts: by arithmetic from its steps, and in seconds from a few timed rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from trimtab.engine import ModelOrEngine, Prompt, generate
from trimtab.items import Item
from trimtab.items.admission import admit_items
from trimtab.items.prompts import prompt_for
from trimtab.progress import SILENT, Progress
from trimtab.studies.kit.bench import Bench, Load, Read
from trimtab.studies.kit.length import BUNDLED_TOKENS, answer_length
from trimtab.studies.kit.run_folder import has_step
from trimtab.studies.kit.study import Rows, Step, Study, StudyPlan, study_of

TIMED = 8
"""Items that are asked to see how fast a model is."""
TOGETHER = 4
"""How often each of them is asked in one call, to see what another answer to the same prompt takes."""


@dataclass(frozen=True)
class Speed:
    """Seconds that the parts of a row take on this machine, in batches.

    Attributes:
        beginning: All of a prompt but its end.
        prompt: The end of a prompt put through the model once.
        answer: The end of a prompt and its answer, word by word.
    """

    beginning: float
    prompt: float
    answer: float

    def seconds(self, rows: Rows) -> float:
        """Return how long some rows take."""
        return rows.beginnings * self.beginning + rows.prompts * self.prompt + rows.answers * self.answer


class Forecast(NamedTuple):
    """What is left to do of one task of a study.

    Attributes:
        task: What progress calls it.
        steps: Steps that are not done.
        items: Units of work in them; items, mostly.
        rows: Rows that they put through the model; None where that depends on what is found.
        seconds: How long these take; None where rows are not known or nothing was timed.
    """

    task: str
    steps: int
    items: int
    rows: Rows | None
    seconds: float | None


def forecast(
    study: Study | StudyPlan,
    out: str | Path,
    *,
    timed: bool = True,
    load: Load | None = None,
    read: Read | None = None,
    progress: Progress = SILENT,
) -> list[Forecast]:
    """Say what a study will cost; nothing is written.

    Counted are rows through the model. Not counted are loading, training, and passes beyond the first that a steered
    answer takes. Rows of one item share their beginning when the study runs, which
    here they do not, so the time tends to be too high for short answers.

    Args:
        study: A study, or the plan of one.
        out: Its run folder, which need not be there; steps that are done in it cost nothing.
        timed: Whether to load the models and time some rows.
        load: See ``run_study``.
        read: See ``run_study``.
        progress: Told of what is being done.

    Raises:
        UsageError: It is no study, or a model cannot be loaded.
        DataError: Items cannot be read.
    """
    study = study_of(study)
    with Bench(study.plan, out, load, read, progress) as bench:
        left = [step for step in study.steps(bench) if not has_step(out, step.name)]
        speeds: dict[str | None, Speed] = {}
        # Timing needs the model: only where something is counted.
        counted = {step.model for step in left if step.model is not None and step.rows is not None}
        asked = sorted(counted) if timed else []
        with progress.task("time a few answers", len(asked)) as advance:
            for name in asked:
                longest = getattr(study.plan, "longest_answer", answer_length([name], BUNDLED_TOKENS))
                speeds[name] = speed(bench.model(name), bench.some_items(TIMED), longest)
                advance(1)
        return [_of_task(task, list(steps), speeds) for task, steps in groupby(left, key=lambda step: step.task)]


def _of_task(task: str, steps: list[Step], speeds: dict[str | None, Speed]) -> Forecast:
    rows = Rows.total([step.rows for step in steps])
    pace = speeds.get(steps[0].model)
    seconds = None if rows is None or pace is None else pace.seconds(rows)
    return Forecast(task, len(steps), sum(step.units for step in steps), rows, seconds)


def speed(model: ModelOrEngine, items: list[Item], longest: int) -> Speed:
    """Time a model on items, after one that warms it up.

    Args:
        model: The model.
        items: Some items; those that the model cannot take are left out.
        longest: Longest answer in tokens.

    Raises:
        UsageError: It takes none of them.
    """
    what = "`items` to time"
    asked = admit_items(model, items, lambda item: [prompt_for(item)], what, new_tokens=longest).require(what)
    prompts = [own[0] for own in asked.prompts]
    generate(model, prompts[:1], max_new_tokens=longest)
    alone = _seconds(model, prompts, 1)
    often = [prompt for prompt in prompts for _ in range(TOGETHER)]  # rows of one prompt share its beginning
    ends, answers = _seconds(model, often, 1), _seconds(model, often, longest)
    end = max(0.0, ends - alone) / (len(often) - len(prompts))
    beginning = max(0.0, alone / len(prompts) - end)
    return Speed(beginning, end, max(end, (answers - len(prompts) * beginning) / len(often)))


def _seconds(model: ModelOrEngine, prompts: list[Prompt], tokens: int) -> float:
    started = time.perf_counter()
    generate(model, prompts, max_new_tokens=tokens)
    return time.perf_counter() - started
