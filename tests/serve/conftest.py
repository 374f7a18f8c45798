"""Servers of the two pocket models in this process, beside the local engine that they are held equal to."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.environment import IN_ONE_PROCESS

os.environ.update(IN_ONE_PROCESS)

from tests.serve.running import Running, started
from tests.serve.subject import Subject, made

LOCAL = ("127.0.0.1", "localhost", "::1")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch):
    """A server's own address is all that may be reached."""
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOCAL:
            raise AssertionError("a test tried to reach the network")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)


@pytest.fixture(scope="session", params=("pocket-qwen", "pocket-llava"))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A model, loaded here and served."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    with made(request.param, folder) as found:
        yield found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server in processes of its own."""
    folder: Path = tmp_path_factory.mktemp("server")
    with started(folder) as running:
        yield running
    assert not list(folder.glob("trimtab-serve-*")), "the server's own files are left behind"
