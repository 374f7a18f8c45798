"""``trimtab serve`` in processes of its own, called over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trimtab as tt
from tests.serve.environment import IN_ONE_PROCESS
from tests.serve.subject import artifacts
from trimtab.circuits import HeadSet
from trimtab.models import Model
from trimtab.serving.launching import API_KEY, OPERATOR_KEY
from trimtab.steering import Artifact

KEY, OPERATORS = "key-of-requests", "key-of-operators"
PATIENCE = 900
"""Seconds that a start may take on a machine that is busy."""


@dataclass
class Running:
    """A server that runs.

    Attributes:
        name: What it serves.
        model: The same, loaded here.
        artifacts: What it offers from its start.
        bank: The folder that operators may add from.
        url: Its address.
        process: Its process.
    """

    name: str
    model: Model
    artifacts: Mapping[str, Artifact | HeadSet]
    bank: Path
    url: str
    process: subprocess.Popen[bytes]

    def call(
        self, path: str, body: object = None, *, key: str | None = KEY, method: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Return the status and what was answered; a text where that is no JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        own = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        own |= {} if key is None else {"Authorization": f"Bearer {key}"}
        request = urllib.request.Request(self.url + path, data, own, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, _read(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read())

    def chat(self, xargs: object = None, text: str = "What colour is the apple?", **more: Any) -> tuple[int, Any]:
        """Ask a question in words, greedily."""
        asked = {
            "model": self.name,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 8,
            "temperature": 0,
        }
        return self.call("/v1/chat/completions", asked | more | ({} if xargs is None else {"vllm_xargs": xargs}))


def _read(told: bytes) -> Any:
    try:
        return json.loads(told)
    except ValueError:
        return told.decode()


@contextmanager
def started(folder: Path, name: str = "pocket-qwen", *, compiled: bool = False) -> Iterator[Running]:
    """Start a server of a bundled model with an artifact of each form, and end it."""
    model = tt.load(name)
    own = artifacts(model)
    for label, artifact in own.items():
        artifact.save(folder / "own" / label)
    (folder / "bank").mkdir()
    own["all"].save(folder / "bank" / "added")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "trimtab"), "serve", name, "--port", str(port)]
    command += [word for label in own for word in ("--artifact", str(folder / "own" / label))]
    command += ["--compiled"] if compiled else []
    command += ["--bank", str(folder / "bank"), "--", "--max-num-batched-tokens", "128", "--block-size", "32"]
    environment = {**os.environ, API_KEY: KEY, OPERATOR_KEY: OPERATORS, "TMPDIR": str(folder)}
    for own_process in IN_ONE_PROCESS.keys() - {"OMP_NUM_THREADS"}:  # a server has processes of its own
        environment.pop(own_process, None)
    with (
        (folder / "log").open("wb") as log,
        # In a session of its own, so that all of its processes can be ended together.
        subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        running = Running(name, model, own, folder / "bank", f"http://127.0.0.1:{port}", process)
        try:
            _wait(running, folder / "log")
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _wait(running: Running, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if running.process.poll() is not None:
            break
        try:
            if running.call("/health")[0] == 200:
                return
        except OSError:
            time.sleep(1)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-4000:]}")
