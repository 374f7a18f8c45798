"""A small world for studies: a tiny random model, made-up conflict items, a plan of seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conflicts import make_items

from trimtab.items import Items
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.studies import Plan, run_study
from trimtab.testing import tiny_model

SIZES = {"train": 8, "validation": 4, "test": 8}


def read(source: str) -> Items:
    split = source.partition(":")[2]
    return make_items(split, SIZES[split])


@pytest.fixture(scope="session")
def test_items() -> Items:
    return make_items("test", 8)


@pytest.fixture(scope="session")
def model() -> Model:
    return tiny_model("llava", layers=2)


@pytest.fixture(scope="session")
def plan() -> Plan:
    return Plan(
        name="tiny",
        models=("tiny-llava",),
        train_items=8,
        validation_items=4,
        test_items=8,
        sweep_items=4,
        contribution_items=4,
        depths=(0.5,),
        strengths=(1.0, 4.0),
        chunk=4,
    )


@pytest.fixture(scope="session")
def run(plan: Plan, model: Model) -> Callable[..., Path]:
    """Runs the plan, or a changed one, into a folder."""

    def run_into(out: Path, changed: Plan | None = None, progress: Progress = SILENT) -> Path:
        return run_study(changed or plan, out, load=lambda _name: model, read=read, progress=progress)

    return run_into


@pytest.fixture(scope="session")
def finished(run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study; not to be changed."""
    return run(tmp_path_factory.mktemp("study") / "run")
