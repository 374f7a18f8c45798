"""Studies and verbs over several workers end as on one, also where a worker is killed in the middle."""

import os
import signal
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import trimtab as tt
from tests.fleet.conftest import TRIES
from tests.fleet.test_rows import die_always
from tests.small_study import STUDY
from trimtab.cli import app
from trimtab.engine import Cluster
from trimtab.errors import UsageError, WorkerLostError
from trimtab.studies import list_steps, read_plan, run_study, spread_study

STEERING = STUDY + "load: {{dtype: float32}}\n"
MEASUREMENT = """
kind: measurement
model: {model}
data: {data}
limit: 6
load: {{dtype: float32}}
method: mcs
chunk: 2
"""

pytestmark = pytest.mark.timeout(600)  # workers load torch and a model each, which takes long on a busy machine


@pytest.fixture
def planned(tmp_path, folder, data):
    """Reads a plan from its text."""

    def read(text: str):
        (tmp_path / "study.yaml").write_text(text.format(model=folder, data=data))
        return read_plan(tmp_path / "study.yaml")

    return read


def summary(run: Path) -> bytes:
    return (run / "summary.json").read_bytes()


def workers() -> set[int]:
    """The processes of workers that are there now."""
    return {own.pid for own in psutil.process_iter(["name"]) if (own.info["name"] or "").startswith("ray::Actor")}


class Killer:
    """Listens to a study, kills a worker of it when the first step is done, and notes what was done by then."""

    def __init__(self, run: Path):
        self.run, self.before, self.killed = run, workers(), 0
        self.done: dict[Path, int] = {}

    def task(self, name: str, total: int):
        def advance(n: int) -> None:
            if not self.killed:
                self.done = written(self.run)
                self.killed = min(workers() - self.before)
                os.kill(self.killed, signal.SIGKILL)

        return nullcontext(advance)


def written(run: Path) -> dict[Path, int]:
    """When each step of a run was written."""
    return {path: path.stat().st_mtime_ns for path in (run / "steps").rglob("*.parquet")}


def test_a_study_over_two_workers_ends_as_in_one_process(planned, tmp_path):
    plan = planned(STEERING)
    assert max(step.wave for step in list_steps(plan, tmp_path / "one")) > 2
    assert spread_study(plan, tmp_path / "two", Cluster(2)) == tmp_path / "two"
    run_study(plan, tmp_path / "one")
    assert summary(tmp_path / "two") == summary(tmp_path / "one")


def test_a_worker_killed_in_the_middle_of_a_study_changes_nothing(planned, tmp_path):
    plan, killer = planned(MEASUREMENT), Killer(tmp_path / "two")
    spread_study(plan, tmp_path / "two", Cluster(2), progress=killer)
    assert killer.killed
    assert killer.killed not in workers()
    assert killer.done
    assert killer.done.items() <= written(tmp_path / "two").items(), "a step that was done was done again"
    run_study(plan, tmp_path / "one")
    assert summary(tmp_path / "two") == summary(tmp_path / "one")


def test_verbs_over_two_workers_say_what_one_says(data, folder, tmp_path, monkeypatch, said, one, two):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tt, "fleet", lambda _name, *, workers, **_options: {1: one, 2: two}[workers])
    measure = ["measure", folder, data, "--method", "attention"]
    measured = [said(*measure, "--workers", n) for n in (1, 2)]
    assert measured[0] == measured[1]
    assert measured[0].keys() == said(*measure).keys()
    fitted = [said("fit", "mean", folder, data, "--target", "image", "--out", f"a{n}", "--workers", n) for n in (1, 2)]
    assert fitted[0]["layer"] == fitted[1]["layer"]
    weights = [(tmp_path / f"a{n}" / "weights.safetensors").read_bytes() for n in (1, 2)]
    assert weights[0] == weights[1]


def test_what_cannot_be_had_is_said(planned, folder, data, tmp_path):
    with pytest.raises(UsageError, match=r"must be at most \d where each has `cpus_per_worker`=1 and this"):
        spread_study(planned(MEASUREMENT), tmp_path / "run", Cluster(100))
    done = CliRunner().invoke(app, ["measure", str(folder), str(data), "--cluster", "auto"])
    assert "`--cluster` needs --workers" in done.stderr
    with pytest.raises(UsageError, match="`gpus_per_worker` of Cluster must be at least 0; got -1"):
        Cluster(1, -1)


def test_work_that_kills_every_worker_is_given_up(one):
    with pytest.raises(WorkerLostError, match=f"{TRIES} died at the same one"):
        one.map(die_always, [0])
    assert len(one.tokenize("a worker is there again")) > 0
