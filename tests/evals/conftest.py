"""Items and artifacts of pocket-qwen in folders, and what our own study says of them."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.items import Item, write_items
from trimtab.models import Model
from trimtab.steering import Artifact
from trimtab.studies.kit.artifacts import AnyArtifact

STRENGTH = 1.5
NEW_TOKENS = 32


@dataclass
class Pocket:
    """pocket-qwen, plain and steered, and items in files.

    Attributes:
        model: The model.
        artifact: Its steering.
        folder: Where that is.
        file: Conflict items, and items that say what is relevant.
    """

    model: Model
    artifact: Artifact
    folder: Path
    file: Path

    def items(self, *, conflicts: bool) -> list[Item]:
        """Return the items of one kind."""
        return [item for item in tt.read_items(self.file) if (item.relevant is None) == conflicts]

    def evaluated(self, method: AnyArtifact, protocol: str) -> Any:
        """Return our own study's answers and rates."""
        return tt.evaluate(
            self.model, self.items(conflicts=True), [method], protocol=protocol, max_new_tokens=NEW_TOKENS
        )

    @property
    def steered(self) -> Artifact:
        """The artifact at the strength that programs are told."""
        return self.artifact.with_strength(STRENGTH)


def spread(items: list[Item], count: int) -> list[Item]:
    """Every so-manyth of the items, so that all tasks are there."""
    return items[:: len(items) // count][:count]


@pytest.fixture(scope="session")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Pocket:
    home = tmp_path_factory.mktemp("pocket")
    model = tt.load("pocket-qwen")
    artifact = tt.MeanDifference(target="image").fit(model, spread(tt.read_items("pocket-mc2:train"), 24))
    asked = spread(tt.read_items("pocket-mc2:test"), 16) + spread(tt.read_items("pocket-interference:test"), 4)
    return Pocket(
        model,
        artifact,
        artifact.save(home / "mean-image"),
        write_items(asked, home / "items.parquet"),
    )


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of this environment without network, in a home of its own."""
    home = tmp_path_factory.mktemp("home")

    def run(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(home / "hf"),
            "HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
        }
        command = [str(Path(sys.executable).parent / name), *arguments]
        return subprocess.run(
            command, env={**os.environ, **own, **environment}, cwd=home, capture_output=True, text=True, check=False
        )

    return run
