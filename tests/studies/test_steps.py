"""Steps of a study, listed and run one by one, as a scheduler's processes do."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from tests.studies.conftest import read

from trimtab.errors import RunFolderError, UsageError
from trimtab.steering.states import collect_states
from trimtab.studies import RunFolder, list_steps, run_step, run_steps, run_study


@pytest.fixture
def step(model, plan):
    """Runs one step with nothing kept from those before, as another process would."""

    def run(out, name, changed=None):
        return run_step(changed or plan, out, name, load=lambda _name: model, read=read)

    return run


def test_steps_run_one_by_one_end_as_a_study_does(finished, run, plan, step, model, monkeypatch, tmp_path):
    out = tmp_path / "run"
    names = [state.name for state in list_steps(plan, out, read=read)]
    for name in names:
        step(out, name)
    assert all(state.done for state in list_steps(plan, out, read=read))
    monkeypatch.setattr(type(model), "decode", lambda *_a, **_k: pytest.fail("the model ran"))
    run(out)
    assert (out / "summary.json").read_bytes() == (finished / "summary.json").read_bytes()
    whole = [path.relative_to(finished / "steps") for path in (finished / "steps").rglob("*.parquet")]
    assert sorted(str(path) for path in whole) == sorted(f"{name}.parquet" for name in names)


def test_the_list_names_steps_after_their_inputs_and_loads_no_model(plan, tmp_path):
    steps = list_steps(plan, tmp_path / "run", read=read)
    seen: set[str] = set()
    for state in steps:
        assert not state.done
        assert set(state.inputs) <= seen
        seen.add(state.name)
    evaluate = next(state for state in steps if state.name == "tiny-llava/evaluate-000")
    assert {"tiny-llava/admission", "tiny-llava/fit-amps-text"} <= set(evaluate.inputs)
    assert not (tmp_path / "run").exists()


def test_a_step_without_its_inputs_names_them(plan, step, tmp_path):
    step(tmp_path / "run", "tiny-llava/admission")
    few = replace(plan, methods=("none", "mean"), targets=("image",))
    step(tmp_path / "few", "tiny-llava/admission", few)
    step(tmp_path / "few", "tiny-llava/fit-none-image", few)
    with pytest.raises(RunFolderError, match=r"few lacks tiny-llava/fit-mean-image; run these first"):
        step(tmp_path / "few", "tiny-llava/evaluate-000", few)
    with pytest.raises(UsageError, match=r"such as tiny-llava/evaluate-0"):
        step(tmp_path / "run", "tiny-llava/evaluate-0")


def test_a_finished_step_is_read(step, tmp_path, model, monkeypatch):
    first = step(tmp_path / "run", "tiny-llava/admission")
    monkeypatch.setattr("trimtab.studies.steering.steps.left_out", lambda *_a: pytest.fail("computed again"))
    assert step(tmp_path / "run", "tiny-llava/admission").notes == first.notes


def test_a_step_of_another_plan_or_model_is_refused(plan, step, tmp_path, monkeypatch):
    step(tmp_path / "run", "tiny-llava/admission")
    with pytest.raises(RunFolderError, match=r"has plan\.seed=0, this run has plan\.seed=1"):
        step(tmp_path / "run", "tiny-llava/admission", replace(plan, seed=1))
    with pytest.raises(RunFolderError, match=r"has plan\.seed=0"):
        list_steps(replace(plan, seed=1), tmp_path / "run", read=read)
    monkeypatch.setattr("trimtab.studies.kit.bench.computed_in", lambda _models: {"tiny-llava": "bfloat16 on cuda"})
    with pytest.raises(RunFolderError, match=r"models\.tiny-llava\.computed_in"):
        step(tmp_path / "run", "tiny-llava/admission")


HOLDER = """
import json, sys
from trimtab.studies import RunFolder
folder = RunFolder(sys.argv[1], json.loads(sys.argv[2]), shared=True)
lock = folder.step_lock("tiny-llava/admission")
print("ready", flush=True)
sys.stdin.read()
"""


def test_two_processes_share_a_folder_but_never_a_step(plan, model, run, step, tmp_path):
    out = tmp_path / "run"
    step(out, "tiny-llava/admission")
    (out / "steps" / "tiny-llava" / "admission.parquet").unlink()
    config = json.dumps(yaml.safe_load((out / "config.yaml").read_text()))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(out), config], **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(RunFolderError, match=f"'tiny-llava/admission'.* is taken by process {other.pid} on"):
            step(out, "tiny-llava/admission")
        with RunFolder(out, json.loads(config), shared=True) as folder:  # another step may go on beside it
            folder.step_lock("tiny-llava/other").release()
        with pytest.raises(RunFolderError, match="in use by processes that each work on a part of it"):
            run_study(plan, out, load=lambda _name: model, read=read)  # the whole study may not
        other.kill()
    step(out, "tiny-llava/admission")
    assert not list(out.rglob(".admission.lock"))
    with RunFolder(out, json.loads(config)):  # a step may not begin while the whole study runs
        hold = [sys.executable, "-c", HOLDER, str(out), config]
        assert "in use by process" in subprocess.run(hold, capture_output=True, text=True, check=False).stderr


def test_steps_of_one_process_share_the_model_and_the_states(plan, model, tmp_path, monkeypatch):
    few = replace(plan, methods=("none", "mean"), targets=("image", "text"))
    loaded, collected, handed_out = [], [], []

    def load(name):
        loaded.append(name)
        return model

    def states(*args, **options):
        collected.append(args)
        return collect_states(*args, **options)

    def names():
        for state in list_steps(few, tmp_path / "run", read=read):
            handed_out.append(state.name)
            assert len(found) == len(handed_out) - 1, "it must ask for a step when the one before is done"
            yield state.name

    monkeypatch.setattr("trimtab.steering.training_set.collect_states", states)
    found = []
    for result in run_steps(few, tmp_path / "run", names(), load=load, read=read):
        found.append(result)
    assert [result.notes["step"] for result in found] == handed_out
    assert (len(loaded), len(collected)) == (1, 1)
    assert all(state.done for state in list_steps(few, tmp_path / "run", read=read))
