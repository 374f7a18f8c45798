from pathlib import Path

import pytest

from trimtab.viewing import Site

from .runs import answers, site_of, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two finished runs, and one that was stopped."""
    home = tmp_path / "runs"
    write_run(home / "one", answers({"none": 20, "amps": 30}))
    write_run(home / "deep" / "two", answers({"none": 22, "amps": 50, "l2s": 9}))
    stopped = write_run(home / "stopped", finished=False)
    (stopped / "steps" / "pocket-qwen").mkdir(parents=True)
    (stopped / "steps" / "pocket-qwen" / "evaluate-000.parquet").write_bytes(b"")
    return home


@pytest.fixture
def site(folder: Path) -> Site:
    return site_of(folder)
