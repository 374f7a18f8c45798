"""What the tests of the data layer share: rows, tiny pictures, and MC²'s real file if it is there."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image

from trimtab.items import Items, read_items

# A busy machine must not turn a slow example into a failure, nor luck decide a run.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

FOLDER = Path(__file__).parent
REAL_MC2 = Path(__file__).parents[2] / "../shared/data/mc2/evaluate_final.json"


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Makes a tiny JPEG of one colour."""

    def make(color: str = "red") -> bytes:
        buffer = BytesIO()
        Image.new("RGB", (8, 6), color).save(buffer, format="JPEG")
        return buffer.getvalue()

    return make


@pytest.fixture
def row() -> dict:
    """A valid row of a user's file."""
    return {
        "id": "u1",
        "task": "breed",
        "question": "What animal is it?",
        "context": " A dog sleeps on the porch. ",
        "answer_image": "cat ",
        "answer_text": " dog",
    }


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as JSON Lines and gives the path."""

    def write(*rows: object) -> Path:
        path = tmp_path / "items.jsonl"
        path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
        return path

    return write


@pytest.fixture(scope="session")
def mc2_made_up() -> Path:
    """A file in MC²'s published schema whose content is our own."""
    return FOLDER / "mc2_made_up.json"


@pytest.fixture(scope="session")
def real_mc2() -> Items:
    if not REAL_MC2.is_file():
        pytest.skip("MC²'s own annotation file is not here; it may not be redistributed")
    return read_items(REAL_MC2)
