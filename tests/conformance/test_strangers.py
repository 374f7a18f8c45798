"""A family that stands outside of trimtab is tried as trimtab's own are, and a family that is wrong does not pass."""

from pathlib import Path

import pytest

from trimtab.errors import UsageError
from trimtab.models import Family
from trimtab.testing import tiny_model
from trimtab.testing.conformance import run_file, try_families, try_model
from trimtab.testing.tiny import BUILDERS

FILE = """
from trimtab.testing import tiny_trio as made
from trimtab.testing.tiny import builder


@builder
def tiny_trio(layers):
    model = made(layers=layers, check=False)
    return model.hf, model.tokenizer, model.processors, model.chat_template
"""


def test_a_family_of_a_file_is_tried(tmp_path: Path):
    (tmp_path / "trio.py").write_text(FILE)
    try:
        run_file(tmp_path / "trio.py")
        [(family, found)] = try_families(["tiny_trio"])
    finally:
        BUILDERS.pop("tiny_trio", None)
    assert family == "tiny_trio"
    assert {name: one.why for name, one in found.items() if one.state == "failed"} == {}
    assert found["save and load"].state == "not applicable"
    assert found["contribution"].state == found["hardening"].state == "proved"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="`file` must be a Python file"):
        run_file(tmp_path / "nowhere.py")


@pytest.mark.parametrize(
    ("lie", "jobs"),
    [
        (
            {"positions": lambda _s, hf, ids, media: Family.positions(_s, hf, ids, media) * 2},
            ["positions", "own forward"],
        ),
        ({"norm": "layer"}, ["self check", "direct parts"]),
        ({"expand": lambda _s, _m, text: text}, ["spans", "mixed sizes"]),
        ({"count_positions": lambda *_: 3}, ["spans"]),
    ],
)
def test_jobs_find_a_family_that_is_wrong(lie: dict, jobs: list[str]):
    model = tiny_model("llava", layers=2)
    model.family = type("Lying", (type(model.family),), lie)()
    assert {name: one.state for name, one in try_model(model, jobs).items()} == dict.fromkeys(jobs, "failed")
