"""What the workers are given: a cluster that others started, several GPUs each, a model spread over them."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import trimtab as tt
from tests.conflicts import make_items
from tests.fleet.conftest import PIECE
from trimtab.engine import Engine, run
from trimtab.engine.fleets import cluster
from trimtab.engine.fleets.cluster import Cluster
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster in processes of its own, which asks for a token that both sides have."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", f"--port={address.split(':')[1]}"]
    options = ["--num-cpus=2", "--num-gpus=0", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    with subprocess.Popen([*start, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert any("Ray runtime started" in line for line in process.stdout)
        yield address
        process.terminate()


def test_workers_of_a_cluster_that_runs_already_say_what_workers_here_say(head, data, folder, said):
    verb = ["evaluate", str(folder), str(data), "--dtype", "float32", "--json", "--workers"]
    program = [sys.executable, "-c", "from trimtab.cli import main; main()", *verb, "1", "--cluster", head]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == said("evaluate", folder, data, "--workers", 2)
    assert json.loads(done.stdout).keys() == said("evaluate", folder, data).keys()


def test_another_address_than_that_of_the_ray_at_hand_is_refused(monkeypatch: pytest.MonkeyPatch):
    at_hand = SimpleNamespace(
        is_initialized=lambda: True, cluster_resources=dict, available_resources=lambda: {"CPU": 4}
    )
    monkeypatch.setattr(cluster, "the_ray", lambda: at_hand)
    assert Cluster(workers=2).resources() == {"num_cpus": 1, "num_gpus": 0.0}
    with pytest.raises(UsageError, match=r"`address` of Cluster .* got 'ray://head:10001'; call ray.shutdown"):
        Cluster(workers=16, address="ray://head:10001").resources()
    monkeypatch.setattr(cluster, "_joined", "ray://head:10001")
    assert Cluster(workers=16, address="ray://head:10001").resources() == {"num_cpus": 1, "num_gpus": 0.0}


def gpus_seen(_engine: Engine, _item: int) -> str:
    return os.environ["CUDA_VISIBLE_DEVICES"]


def places(engine: Engine, _item: int) -> dict[str, str]:
    return engine.model.hf.hf_device_map  # pyright: ignore[reportAttributeAccessIssue]


def test_a_worker_gets_several_gpus_and_its_model_a_device_map(folder, one):
    spread, prompt = {"": "disk"}, prompt_for(make_items("test", 1)[0])
    with tt.fleet(folder, gpus_per_worker=3, device_map=spread, piece_tokens=PIECE, dtype="float32") as wide:
        (seen,) = wide.map(gpus_seen, [0])
        assert len(set(seen.split(","))) == 3
        assert wide.map(places, [0]) == [spread]
        torch.testing.assert_close(run(wide, prompt).logits, run(one, prompt).logits)
    (seen,) = one.map(gpus_seen, [0])
    assert len(seen.split(",")) == 1
