"""Fuzzed files of every format: no row is lost, whatever it holds; ``python -m tests.fuzz.rows`` does more of it."""

import pytest
from tests.fuzz.rows import FORMATS, read_damaged, read_fuzzed


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_every_row_is_read_or_skipped_with_a_reason(tmp_path, kind, seed):
    items, counts = read_fuzzed(kind, tmp_path, 60, seed)
    assert counts.read + counts.skipped == counts.rows
    assert counts.read >= 15
    assert counts.skipped >= 15
    assert all(skipped.reason.isprintable() and len(skipped.reason) < 1000 for skipped in items.skipped)
    assert len({item.id for item in items}) == len(items)


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_or_refused(tmp_path, kind):
    counts = [read_damaged(kind, tmp_path, 12, seed) for seed in range(25)]
    assert any(not c.refused for c in counts)
    if kind == "parquet":
        assert all(c.read + c.skipped == c.rows for c in counts)
