"""What a check expects a job to take is what the job's tensors take, counted byte by byte."""

import pytest
from benchmarks.speed.tensors import TensorPeak
from tests.studies.test_checking import conflict

from trimtab.checking import JOBS, Job, Trial
from trimtab.checking.prompts import prompt_sizes
from trimtab.testing import tiny_model

FAMILIES = ("llava", "qwen2_5_vl")
"""One whose heads have keys and values of their own, and one whose heads share them and whose tower turns positions."""


@pytest.fixture(scope="module", params=FAMILIES)
def trial(request: pytest.FixtureRequest) -> Trial:
    model = tiny_model(request.param, layers=4)
    return Trial(model, prompt_sizes(model, [conflict(i, words=150) for i in range(4)]))


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_an_estimate_is_within_a_fifth_of_the_peak(trial: Trial, job: Job):
    expected = job.memory(trial)
    trial.model.forget_media()
    job.run(trial)  # what is made once, such as tables of positions
    trial.model.forget_media()
    with TensorPeak() as peak:
        job.run(trial)
    assert 0.8 * peak.bytes <= expected <= 1.25 * peak.bytes
