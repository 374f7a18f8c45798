"""A model in a folder, Ray on this machine, and fleets of one and of two workers. Without Ray nothing runs here."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trimtab.engine import Fleet, fleet
from trimtab.engine.fleets import workers

ROOT = Path(__file__).parents[2]
PIECE = 600
"""Tokens of a piece: a few rows of these tests."""
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
        ray.init(address="local", num_cpus=6, num_gpus=0, _node_ip_address="127.0.0.1", **quiet)
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
