"""The command line on a tiny model and a file of made-up items."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conflicts import make_items
from typer.testing import CliRunner

from trimtab.cli import app
from trimtab.items import write_items
from trimtab.models import Model
from trimtab.testing import tiny_model


@pytest.fixture(scope="session")
def model() -> Model:
    return tiny_model("llava", layers=2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_items(make_items("test"), tmp_path / "items.jsonl")


@pytest.fixture
def invoke(model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Runs a command line; the model ``tiny`` is a tiny one."""
    import trimtab

    load = trimtab.load
    monkeypatch.setattr(trimtab, "load", lambda name, **options: model if name == "tiny" else load(name, **options))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()  # what is checked before work begins is that such a folder is there
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])
