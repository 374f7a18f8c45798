"""A new modality is a matter of two files: a made-up one is put into a copy of trimtab through them alone, and used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab

HOME = Path(trimtab.__file__).parent
FIFTH = Path(__file__).parent / "fifth"
ENTRIES = {
    '"video"]': '"video", "touch"]',
    "\n}\n\nMODALITIES": (
        '\n    "touch": ModalityFacts('
        '"touch content", "a touch", "feeling", "#56B4E9", "The touch feels like: {}.", "Numbers."),'
        "\n}\n\nMODALITIES"
    ),
}
"""What the entry changes in ``modalities.py``, beside the columns for type checkers."""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trimtab that differs in two files: every other one is a link to the real one."""
    top = tmp_path_factory.mktemp("extended")
    for folder in (top / "trimtab", top / "trimtab" / "media"):
        folder.mkdir()
        for path in (HOME / folder.relative_to(top / "trimtab")).iterdir():
            if path.name not in ("media", "modalities.py", "__pycache__"):
                (folder / path.name).symlink_to(path)
    entry = (HOME / "modalities.py").read_text()
    for old, new in ENTRIES.items():
        assert entry.count(old) == 1, old
        entry = entry.replace(old, new)
    (top / "trimtab" / "modalities.py").write_text(entry)
    (top / "trimtab" / "media" / "touch.py").write_text((FIFTH / "touch.py").read_text())
    return top


def python(extended: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(extended), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_made_up_modality_is_used_everywhere_after_two_files(extended: Path, tmp_path: Path):
    found = json.loads(python(extended, str(FIFTH / "use.py"), str(tmp_path)))
    assert found["modalities"] == ["image", "text", "audio", "video", "touch"]
    assert found["instruction"] == (
        "In case there is an inconsistency between the touch content and the text context, you should follow the "
        "touch content rather than the text context."
    )
    assert found["span"] > 1
    assert found["first"] > 0
    assert found["blocked"]
    assert found["spoilt"] == [True, True, True]
    assert set(found["shares"]) == {"text", "touch"}
    assert found["shares"]["touch"] > 0
    assert "Example: a dog The touch feels like: one. What is it? one." in found["example"]
    assert (found["colour"], found["piece"]) == ("#56B4E9", "a touch")


def test_the_command_line_shows_a_made_up_modality(extended: Path):
    said = python(extended, "-c", "from trimtab.cli import main; main()", "generate", "--help")
    assert "--touch" in said
    assert "Numbers." in said
