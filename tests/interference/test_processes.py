"""Hardening on two processes, as torchrun starts them: the same batches and weights as on one, and after a stop."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.interference.items import mixed
from trimtab.errors import UsageError
from trimtab.interference import AttackConfig, HardenConfig, harden
from trimtab.testing import tiny_model

ROOT = Path(__file__).parents[2]
STEPS, BATCH = 4, 4


def how() -> HardenConfig:
    return HardenConfig(
        steps=STEPS,
        batch_size=BATCH,
        micro_batch=1,
        evaluate_every=2,
        learning_rate=1e-2,
        perturbations=("misleading_text", "noise_image"),
        attack=AttackConfig(steps=1),
        checkpointing=True,
    )


WAYS = {
    "whole": how(),
    "shared": replace(how(), shard=True),
    "full": replace(how(), method="full", learning_rate=1e-4),
    "full-shared": replace(how(), method="full", learning_rate=1e-4, shard=True),
}

PROCESS = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
import torch
from torch.distributed.tensor import DTensor
from tests.interference.items import mixed
from tests.interference.test_processes import WAYS, how
from trimtab.errors import UsageError
from trimtab.interference import harden
from trimtab.interference.hardening.objective import Objective
from trimtab.testing import tiny_model

torch.set_num_threads(1)
home, rank, forward = Path(sys.argv[1]), os.environ["RANK"], Objective.forward
items, held_out = mixed(4), mixed(1)

def told(self, groups, share=1.0):
    places.extend(group.place for group in groups)
    if stop_at is not None and len(places) > stop_at:
        raise KeyboardInterrupt
    return forward(self, groups, share)

def refused(model, out, config, reason):
    try:
        harden(model, items, home / out, config)
    except UsageError as error:
        assert reason in str(error), str(error)
    else:
        raise AssertionError("it was taken")

Objective.forward = told
for name, config in WAYS.items():
    model, places, stop_at = tiny_model("llava", layers=2), [], None
    harden(model, items, home / name, config, validation=held_out)
    (home / f"{name}-places-{rank}.json").write_text(json.dumps(places))
    if config.shard:
        held = [p for p in model.layers[0].parameters() if isinstance(p, DTensor)]
        assert 0 < sum(p.to_local().numel() for p in held) < 0.6 * sum(p.numel() for p in held)
        refused(model, "again", config, "was spread by an earlier run")
        model = tiny_model("llava", layers=2)
    places, stop_at = [], 5
    try:
        harden(model, items, home / f"{name}-stopped", config, validation=held_out)
    except KeyboardInterrupt:
        stop_at = None
    assert stop_at is None, "it was not stopped"
    model = tiny_model("llava", layers=2)
    harden(model, items, home / f"{name}-stopped", config, validation=held_out)
harden(tiny_model("llava", layers=2), items, home / "unseen", WAYS["shared"])  # without validation items
spread = tiny_model("llava", layers=2)
spread.lm_head.to("meta")
refused(spread, "spread", how(), "must be in one piece in each of several processes")
refused(tiny_model("llava", layers=2), "uneven", replace(how(), batch_size=3), "a multiple of the 2 processes")
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have made in each way, at once and after a stop; and what one makes."""
    home = tmp_path_factory.mktemp("processes")
    (home / "process.py").write_text(PROCESS)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(home / "process.py"), str(home)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    for way in ("whole", "full"):
        harden(tiny_model("llava", layers=2), mixed(4), home / f"{way}-by-one", WAYS[way], validation=mixed(1))
    return home


def weights(folder: Path) -> torch.Tensor:
    (file,) = folder.glob("*.safetensors")
    found = load_file(file)
    return torch.cat([found[name].flatten() for name in sorted(found)])


each_way = pytest.mark.parametrize("way", list(WAYS))


@each_way
def test_items_of_a_step_are_those_of_one_process_and_go_whole_to_one_of_two(runs, way):
    places = [json.loads((runs / f"{way}-places-{rank}.json").read_text()) for rank in (0, 1)]
    share = BATCH // 2
    for step in range(STEPS):
        own = [place[step * share : (step + 1) * share] for place in places]
        assert sorted(own[0] + own[1]) == list(range(step * BATCH, (step + 1) * BATCH))


@each_way
def test_two_processes_train_as_one_does(runs, way):
    alone = runs / ("full-by-one" if way.startswith("full") else "whole-by-one")
    one, two = weights(alone), weights(runs / way)
    assert (one - two).norm() < 1e-3 * one.norm()
    records = [json.loads((folder / "harden.json").read_text()) for folder in (alone, runs / way)]
    assert [record["processes"] for record in records] == [1, 2]
    assert records[0]["after"] == records[1]["after"]
    losses = [[entry["loss"] for entry in record["log"] if "loss" in entry] for record in records]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@each_way
def test_a_run_that_was_stopped_ends_with_the_same_weights(runs, way):
    assert torch.equal(weights(runs / way), weights(runs / f"{way}-stopped"))


def test_what_cannot_be_shared_out_is_refused(tmp_path):
    with pytest.raises(UsageError, match="needs several processes to spread the model over; this is one"):
        harden(tiny_model("llava", layers=2), mixed(2), tmp_path / "run", replace(how(), shard=True))
    with pytest.raises(UsageError, match="must be float32 or bfloat16 where all weights are trained and shared out"):
        replace(how(), shard=True, method="full", precision="float16")
    assert not (tmp_path / "run").exists()
