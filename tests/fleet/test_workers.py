"""Calls go to whichever worker is free, each as soon as those that it needs are finished."""

import time
from functools import partial
from pathlib import Path

import pytest

from trimtab.engine import Cluster, Workers

pytestmark = pytest.mark.timeout(600)


def leave_a_file(folder: Path, name: str, awaited: str) -> str:
    """Wait for another call's file, if one is named; then leave one."""
    end = time.monotonic() + 120
    while awaited and not (folder / awaited).exists():
        assert time.monotonic() < end, f"{name} waited in vain for {awaited}"
        time.sleep(0.05)
    (folder / name).touch()
    return name


def test_a_call_begins_when_those_that_it_needs_are_finished_and_waits_for_no_other(tmp_path):
    calls, needs = [("long", "last"), ("first", ""), ("last", "")], [(), (), (1,)]
    with Workers(partial(Path, tmp_path), Cluster(2)) as workers:
        found = [name for _, name in workers.each(leave_a_file, calls, needs)]
    assert found[0] == "first"
    assert sorted(found) == ["first", "last", "long"]


def test_a_call_does_not_begin_before_what_it_needs(tmp_path):
    with Workers(partial(Path, tmp_path), Cluster(2)) as workers:
        found = [place for place, _ in workers.each(leave_a_file, [("b", ""), ("a", "b"), ("c", "")], [(), (), (0, 1)])]
    assert found[-1] == 2
