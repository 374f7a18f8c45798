"""The peak memory of every job that ``trimtab check`` tries, beside what it expects: on a CPU, that of its tensors."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.speed.lines import Aim, Line
from benchmarks.speed.subject import Subject
from benchmarks.speed.tensors import TensorPeak

from trimtab.checking import JOBS, Job, Trial, reason_of
from trimtab.checking.peak import Peak
from trimtab.checking.prompts import prompt_sizes
from trimtab.engine.local.whitebox import release

WITHIN = Aim(0.8, 1.25)
"""An estimate is good if it is within 20 % of the peak, either way."""


def memory(subject: Subject) -> Iterator[Line]:
    """Do every job of a check once."""
    trial = Trial(subject.model, prompt_sizes(subject.model, subject.items))
    for job in JOBS:
        yield _one(job, trial)


def _one(job: Job, trial: Trial) -> Line:
    model, title = trial.model, f"memory: {job.name}"
    try:
        expected = job.memory(trial)
        model.forget_media()
        release()
        with Peak(model.device) if model.device.type == "cuda" else TensorPeak() as peak:
            job.run(trial)
    except Exception as error:  # noqa: BLE001 - one job that fails must not cost the others
        return Line(title, error=reason_of(error))
    numbers = {"expected_bytes": int(expected), "peak_bytes": peak.bytes, "tokens": trial.tokens}
    if not peak.bytes:
        return Line(title, error="no memory was seen to be taken", more=numbers)
    ratio = expected / peak.bytes
    return Line(title, "expected", "peak", ratio, ratio, ratio, 1, WITHIN, more=numbers)
