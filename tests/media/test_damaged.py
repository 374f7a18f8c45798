"""Damaged files are opened or refused in one sentence; ``python -m tests.fuzz.pictures`` tries many more."""

from collections import Counter

from tests.fuzz.pictures import outcomes


def test_damaged_files_are_opened_or_refused():
    counts = Counter(outcome for outcome, _, _ in outcomes(250, seed=1))
    assert set(counts) == {"opened", "refused"}, next(o for o in counts if o not in ("opened", "refused"))
    assert min(counts.values()) > 20
