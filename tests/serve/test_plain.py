"""A plain request on a server that steers is answered as on one that cannot, to the last bit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from tests.serve.subject import artifacts
from trimtab.models import write_published
from trimtab.serving import ServedModel
from trimtab.serving.settings import Settings

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")


def told(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.serve.plain_answers", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("told "))
    return json.loads(line.removeprefix("told "))


def test_plain_answers_are_the_same_to_the_last_bit(tmp_path: Path):
    model = tt.load("pocket-qwen", dtype="float32")
    write_published(model, tmp_path / "model")
    own = artifacts(model)
    named = tuple((label, artifact.save(tmp_path / label)) for label, artifact in own.items())
    settings = Settings(ServedModel.of(model).save(tmp_path / "facts.json"), named)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")}
    without, steering = told(tmp_path / "model", bare), told(tmp_path / "model", bare | settings.environment())
    assert (without["plug-in"], steering["plug-in"]) == (False, True)
    assert steering["answers"] == without["answers"]
