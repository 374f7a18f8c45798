"""Two servers of one model: with the plug-in, and vLLM's own without it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from trimtab.models import Model
from trimtab.serving.launching import Launch, prepare
from trimtab.serving.settings import VARIABLE

PATIENCE = 600.0
"""Seconds that a server may take to start."""
OPTIONS = ("--max-num-seqs", "32", "--max-model-len", "1024")


@dataclass(frozen=True)
class Servers:
    """Where they are.

    Attributes:
        steering: The one with the plug-in.
        bare: The one without.
    """

    steering: str
    bare: str


@contextmanager
def started(model: Model, artifacts: Sequence[Path], files: Path, compiled: bool) -> Iterator[Servers]:
    """Start both, one after the other, and end them."""
    prepared = prepare(model, artifacts, None, files, "float32")
    with ExitStack() as stack:
        urls = []
        for bare in (False, True):
            port = _free_port()
            launch = Launch(model.name, *prepared, "127.0.0.1", port, "float32", (), compiled, OPTIONS)
            environment = {**launch.environment(os.environ), "TRIMTAB_API_KEY": ""}
            if bare:
                environment = {**environment, "VLLM_PLUGINS": "", VARIABLE: ""}
            command = [sys.executable, "-m", "trimtab.serving.server", *launch.arguments()]
            stack.enter_context(_running(command, environment, files / f"log-{port}", f"http://127.0.0.1:{port}"))
            urls.append(f"http://127.0.0.1:{port}")
        yield Servers(*urls)


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str], log: Path, url: str) -> Iterator[None]:
    start = time.perf_counter()
    with (
        log.open("wb") as told,
        # In a session of its own, so that all of its processes can be ended together.
        subprocess.Popen(command, stdout=told, stderr=told, env=environment, start_new_session=True) as process,
    ):
        try:
            while not _answers(url):
                if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                    raise SystemExit(f"the server did not start:\n{log.read_text()[-4000:]}")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False
