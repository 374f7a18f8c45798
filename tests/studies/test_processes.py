"""A study by several processes: racing for the same steps, and as a scheduler's job arrays."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.conflicts import make_items
from tests.studies.conftest import read

from trimtab.items import write_items
from trimtab.studies import Plan, list_steps, read_plan, run_study

ROOT = Path(__file__).parents[2]

RACER = """
import sys
from pathlib import Path
import torch
from tests.studies.conftest import read
from tests.studies.test_processes import few
from trimtab.errors import InUseError
from trimtab.files import write_whole
from trimtab.studies import list_steps, run_step
from trimtab.studies.kit import run_folder
from trimtab.testing import tiny_model

out, log = Path(sys.argv[1]), Path(sys.argv[2])

def write_and_tell(path, content):
    with log.open("a") as file:
        file.write(f"{path.relative_to(out)}\\n")
    return write_whole(path, content)

torch.set_num_threads(1)
run_folder.write_whole, model = write_and_tell, tiny_model("llava", layers=2)
print("ready", flush=True)
sys.stdin.readline()
taken = 0
while open_steps := [s for s in list_steps(few(), out, read=read) if not s.done]:
    done = {s.name for s in list_steps(few(), out, read=read) if s.done}
    for step in open_steps:
        if done.issuperset(step.inputs):
            try:
                run_step(few(), out, step.name, load=lambda _name: model, read=read)
            except InUseError:
                taken += 1
print(taken)
"""


def few() -> Plan:
    """A plan of seconds, with steps of several waves."""
    return Plan(
        name="race",
        models=("tiny-llava",),
        methods=("none", "mean"),
        train_items=4,
        validation_items=4,
        test_items=4,
        sweep_items=4,
        contribution_items=4,
        depths=(0.5,),
        chunk=1,
    )


def test_two_processes_that_race_for_every_step_do_each_once(model, tmp_path):
    out, log = tmp_path / "run", tmp_path / "log"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(out), str(log)], **pipes) for _ in range(2)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = [racer.communicate(timeout=240)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert any(int(taken) for taken in told), "the two never met: the race shows nothing"
    steps = list_steps(few(), out, read=read)
    written = Counter(name for name in log.read_text().splitlines() if name.startswith("steps/"))
    assert written == {f"steps/{step.name}.parquet": 1 for step in steps}
    for run in (out, tmp_path / "whole"):
        run_study(few(), run, load=lambda _name: model, read=read)
    assert (out / "summary.json").read_bytes() == (tmp_path / "whole" / "summary.json").read_bytes()


def test_waves_follow_from_inputs(tmp_path):
    steps = {step.name: step for step in list_steps(few(), tmp_path / "run", read=read)}
    assert {step.wave for step in steps.values() if not step.inputs} == {1}
    for step in steps.values():
        assert step.wave == 1 + max((steps[name].wave for name in step.inputs), default=0)
    assert max(step.wave for step in steps.values()) > 2


STUDY = """
kind: measurement
model: {model}
data: {data}
method: attention
chunk: 4
"""


def test_the_slurm_recipe_with_a_stand_in_ends_as_one_process_does(released, tmp_path):
    """A job array of two processes, then the job that depends on it; a second call has no step left to submit."""
    model, data = released("llava-1.5-7b"), write_items(make_items("test"), tmp_path / "items.jsonl")
    (tmp_path / "study.yaml").write_text(STUDY.format(model=model, data=data))
    recipe = ROOT / "recipes" / "slurm"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SBATCH": str(recipe / "stand_in.sh"),
        "OMP_NUM_THREADS": "1",
    }

    def submit(**changed: str) -> list[str]:
        command, env = [str(recipe / "submit.sh"), "study.yaml", "runs/study"], environment | changed
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [line.partition(":")[0] for line in done.stdout.splitlines()]

    assert submit() == ["wave-001", "summary and report"]
    assert submit(SBATCH="echo") == ["summary and report"]
    found = tmp_path / "runs" / "study"
    assert (found / "report.html").is_file()
    run_study(read_plan(tmp_path / "study.yaml"), tmp_path / "whole")
    assert (found / "summary.json").read_bytes() == (tmp_path / "whole" / "summary.json").read_bytes()
