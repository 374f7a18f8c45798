"""A model in a folder, Ray on this machine, and fleets of one and of two workers. Without Ray nothing runs here."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conflicts import make_items
from trimtab.cli import app
from trimtab.engine import Fleet, fleet
from trimtab.engine.fleets import workers
from trimtab.items import write_items

ROOT = Path(__file__).parents[2]
PIECE = 600
"""Tokens of a piece: a few rows of these tests."""
GPUS = 8
"""GPUs that Ray counts and shares out; there are none, which models find out for themselves."""
TRIES = 2
"""How often a piece is begun here before it is given up; a worker's start takes seconds."""


@pytest.fixture(scope="session", autouse=True)
def _ray() -> Iterator[None]:
    """Ray for the whole session, with room for some workers whatever the machine; workers may import these tests."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # on a busy machine 15, as it is if left out, is no time at all
        patch.setattr(workers, "TRIES", TRIES)
        quiet = {"log_to_driver": False, "include_dashboard": False, "logging_level": "ERROR"}
        ray.init(address="local", num_cpus=6, num_gpus=GPUS, _node_ip_address="127.0.0.1", **quiet)
        yield
        ray.shutdown()


@pytest.fixture(scope="session")
def folder(released: Callable[..., Path]) -> Path:
    return released("llava-1.5-7b")


@pytest.fixture(scope="session")
def one(_ray: None, folder: Path) -> Iterator[Fleet]:
    with fleet(folder, workers=1, piece_tokens=PIECE, dtype="float32") as found:
        yield found


@pytest.fixture(scope="session")
def two(_ray: None, folder: Path) -> Iterator[Fleet]:
    with fleet(folder, workers=2, piece_tokens=PIECE, dtype="float32") as found:
        yield found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    every = [item for name in ("train", "validation", "test") for item in make_items(name)]
    return write_items(every, tmp_path / "items.jsonl")


@pytest.fixture
def said() -> Callable[..., dict]:
    """Says what a verb says as JSON."""

    def say(*arguments: object) -> dict:
        done = CliRunner().invoke(app, [str(a) for a in (*arguments, "--dtype", "float32", "--json")])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return say
