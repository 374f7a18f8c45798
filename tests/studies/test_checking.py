"""What a check says of a model and items, and that nothing it meets ends it with a traceback."""

import json
import time

import pytest
import torch
from tests.interference.items import mixed

from trimtab.checking import JOBS, Checked, Job, Trial, check_model
from trimtab.checking.peak import Peak
from trimtab.checking.prompts import LOOKED_AT, prompt_sizes
from trimtab.checking.trial import Done, try_job
from trimtab.engine.local.session import Session
from trimtab.errors import DataError
from trimtab.items import Item, Items, MediaBytes
from trimtab.models import Model
from trimtab.testing import tiny_model

ANSWERS = ("one", "two", "red", "cat")


@pytest.fixture(scope="module")
def tiny() -> Model:
    return tiny_model("llava", layers=2)


def conflict(i: int, words: int = 3) -> Item:
    return Item(
        f"c{i}",
        "color",
        "What is in the picture?",
        context="A cat " * words,
        answer_image=ANSWERS[i % 4],
        answer_text=ANSWERS[(i + 1) % 4],
        image=mixed(1)[0].image,
    )


@pytest.fixture(scope="module")
def checked(tiny: Model) -> Checked:
    return check_model(tiny, [conflict(i, words=3 + i) for i in range(4)])


def test_every_job_is_tried_and_timed_on_the_longest_prompt(tiny, checked):
    assert checked.ok, checked.jobs
    assert [job.job for job in checked.jobs] == [job.name for job in JOBS]
    assert {job.verb for job in checked.jobs} == {"measure", "fit", "evaluate", "circuits", "interference", "harden"}
    for job in checked.jobs:
        assert job.status == "works"
        assert job.reason is None
        assert 0 < job.seconds < 60
        assert job.total_seconds < job.seconds * job.units  # most prompts are shorter than the one tried
        assert job.peak_bytes >= 0
        assert job.expected_bytes > 0
    units = {job.job: job.units for job in checked.jobs}
    assert units["contribution"] == units["perturbations"] == 4
    assert units["steered answers"] == 3 * 4
    assert units["head sweep"] == 2 * 4 * tiny.n_layers * tiny.n_heads
    assert units["training step"] == 200 * 8


def test_the_model_is_left_as_it_was(tiny, checked):
    assert not Session.of(tiny).ambient
    assert not any(p.requires_grad for p in tiny.hf.parameters())
    assert not any(module._forward_hooks for module in tiny.decoder.modules())


def test_facts_and_prompts(tiny, checked):
    found = json.loads(json.dumps(checked.to_dict()))
    assert found["model"]["fingerprint"] == tiny.fingerprint
    assert found["model"]["weights_bytes"] == 4 * found["model"]["parameters"]
    assert found["model"]["loading"]["dtype"] == "float32"
    assert found["prompts"]["items"] == 4
    tokens = checked.prompts.tokens
    assert tokens == sorted(tokens, reverse=True)
    assert found["prompts"]["image_tokens"] == {"least": 16, "median": 16, "most": 16}
    assert found["machine"]["free_bytes"] > 0
    assert any("VAR" in note for note in found["notes"])


def test_items_with_one_right_answer_leave_conflict_jobs_out(tiny):
    found = check_model(tiny, [item for item in mixed(4) if item.relevant == ("image",)])
    assert found.ok
    left_out = {job.verb for job in found.jobs if job.status == "left out"}
    assert left_out == {"fit", "evaluate", "circuits"}
    assert all("conflict items" in str(job.reason) for job in found.jobs if job.status == "left out")


def test_items_that_cannot_be_asked_are_counted_with_a_reason(tiny):
    broken = Item(
        "bad",
        "color",
        "What?",
        context="A cat.",
        answer_image="one",
        answer_text="two",
        image=MediaBytes(b"no picture"),
    )
    endless = conflict(9, words=5000)
    sizes = prompt_sizes(tiny, [conflict(0), broken, endless])
    assert [item.id for item in sizes.usable] == ["c0"]
    assert [s.row for s in sizes.refused] == [2, 3]
    assert "bad" in sizes.refused[0].reason
    assert "4096" in sizes.refused[1].reason.replace(",", "")
    with pytest.raises(DataError, match="at least one"):
        check_model(tiny, [broken])
    with pytest.raises(DataError, match="at least one"):
        check_model(tiny, Items())


def test_a_large_data_set_is_looked_at_in_part(tiny):
    sizes = prompt_sizes(tiny, [conflict(i) for i in range(3 * LOOKED_AT)])
    assert (sizes.items, len(sizes.usable)) == (3 * LOOKED_AT, LOOKED_AT)


def job(run, memory: float = 1.0) -> Job:
    return Job("job", "verb", "item", run, lambda _: 1, lambda _: memory)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("CUDA error: out of memory\nmore"), "memory ran out"),
        (NotImplementedError("no gradients for int8\nlong story"), "NotImplementedError: no gradients for int8"),
        (KeyError("x"), "KeyError: 'x'"),
        (DataError("`item` is bad."), "`item` is bad."),
        (ValueError(), "ValueError"),
    ],
)
def test_whatever_a_job_raises_is_a_reason(tiny, error, said):
    def run(_trial: Trial) -> Done:
        raise error

    found = try_job(job(run), Trial(tiny, prompt_sizes(tiny, [conflict(0)])))
    assert found.status == "fails"
    assert said in str(found.reason)
    assert "\n" not in str(found.reason)


def test_what_cannot_fit_is_not_tried(tiny):
    def run(_trial: Trial) -> Done:
        raise AssertionError("tried")

    found = try_job(job(run, memory=1e15), Trial(tiny, prompt_sizes(tiny, [conflict(0)])))
    assert found.status == "fails"
    assert "1000000.0 GB" in str(found.reason)


def test_the_peak_is_what_a_block_takes():
    with Peak(torch.device("cpu")) as peak:
        block = torch.ones(30_000_000)
        time.sleep(1.0)  # on a busy machine looks come late
        del block
    assert 0.9 * 120e6 < peak.bytes < 3 * 120e6
