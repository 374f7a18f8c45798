"""The wheel and the sdist, built, and the wheel used outside of the repository: ``make test-wheel``."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="needs hatchling: make test-wheel")

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
LIMIT = 100_000_000
"""Bytes of a file that the package index takes."""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=REPOSITORY, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    return built / f"trimtab-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def trimtab(wheel, tmp_path_factory) -> Callable[..., str]:
    """Runs the wheel's own program in an empty folder and returns what it prints."""
    site, home = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*install, "--target", site, wheel], check=True)
    setting = {**os.environ, "PYTHONPATH": str(site), "TRIMTAB_CACHE": str(home / "cache"), "HF_HUB_OFFLINE": "1"}

    def run(*words: str | int) -> str:
        program = [sys.executable, site / "bin" / "trimtab", *map(str, words)]
        done = subprocess.run(program, cwd=home, env=setting, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    code = "import trimtab; print(trimtab.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=home, env=setting, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(site), "another trimtab is used"
    return run


def test_every_file_says_the_same_version():
    assert f"\nversion: {VERSION}\n" in (REPOSITORY / "CITATION.cff").read_text()
    assert f"\n## {VERSION} " in (REPOSITORY / "CHANGELOG.md").read_text()


def test_the_wheel_holds_licences_models_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    information = f"trimtab-{VERSION}.dist-info"
    assert {f"{information}/licenses/LICENSE", f"{information}/licenses/NOTICE", "trimtab/py.typed"} <= names
    tracked = subprocess.run(["git", "ls-files", "src/trimtab"], cwd=REPOSITORY, capture_output=True, text=True)
    expected = {name.removeprefix("src/") for name in tracked.stdout.split()}
    assert {name for name in names if not name.startswith(information)} == expected
    assert wheel.stat().st_size < LIMIT


def test_the_sdist_can_be_built_and_tested_from(built):
    path = built / f"trimtab-{VERSION}.tar.gz"
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "NOTICE", "Makefile", "constraints.txt", "tests/conftest.py"} <= names
    assert not [name for name in names if name.startswith((".venv", "runs", "site/"))]
    assert path.stat().st_size < LIMIT


@pytest.mark.timeout(900)  # it starts the program many times
def test_what_the_start_page_does_works_elsewhere(trimtab):
    assert trimtab("--version").strip() == VERSION
    assert "pocket-qwen" in trimtab("models", "list")
    trimtab("data", "export", "pocket-mc2:test", "items.jsonl", "--limit", 8)
    measured = json.loads(trimtab("measure", "pocket-llava", "items.jsonl", "--json"))
    assert measured["skipped"] == 0
    fit = ("fit", "autotrim", "pocket-qwen", "pocket-mc2:train", "--target", "image", "--limit", 1, "--out", "steered")
    trimtab(*fit)
    shown = trimtab("evaluate", "pocket-qwen", "pocket-mc2:test", "--artifact", "steered", "--limit", 8)
    assert "autotrim" in shown
