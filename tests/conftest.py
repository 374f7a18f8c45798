"""No network, few threads, one random state: tests mean the same everywhere."""

import os
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch

from tests.shapes import check_shapes

check_shapes()  # before anything of trimtab is imported

from trimtab.engine.local.session import Session
from trimtab.models import Model
from trimtab.testing import SMALL, realistic_checkpoint, tiny_model


@pytest.fixture(scope="session", autouse=True)
def _few_threads():
    torch.set_num_threads(1)  # tiny models gain nothing from more, and a busy machine loses much


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a test tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path_factory.getbasetemp() / "trimtab-cache"))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session", params=("qwen2_5_vl", "llava"))
def model(request: pytest.FixtureRequest) -> Model:
    """A tiny random model of the two oldest families in turn, which differ in all that matters to most tests."""
    return tiny_model(request.param)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders as released ones are, at small sizes; each is written once. Nothing may be changed in them."""

    @cache
    def folder(release: str, dtype: str | None = None) -> Path:
        return realistic_checkpoint(tmp_path_factory.mktemp(release), release, dtype=dtype, sizes=SMALL)

    return folder


@pytest.fixture(autouse=True)
def _no_hook_left_behind(request: pytest.FixtureRequest):
    """Every test that used the shared model must leave its decoder without hooks."""
    yield
    if "model" in request.fixturenames:
        shared: Model = request.getfixturevalue("model")
        left = [
            name
            for name, module in shared.decoder.named_modules()
            if module._forward_hooks or module._forward_pre_hooks
        ]
        assert not left, f"hooks left behind on {left}"
        assert not Session.of(shared).ambient
        assert not Session.of(shared).drives
