"""Recipes that share their test items say the same thing once on the page of evidence."""

from pathlib import Path

from benchmarks.evidence.repeated import once
from benchmarks.evidence.row import Case
from benchmarks.evidence.sources import Source
from benchmarks.evidence.verdicts import Number


def test_the_same_measurement_counts_once_with_the_larger_p():
    def run(name: str, items: str | None) -> Source:
        made = {} if items is None else {"data": {"test": {"items": 9, "fingerprint": items}}}
        return Source("steering", Path(name), {}, "", made)

    def case(source: Source, value: float, p: float, condition: str = "toward image") -> Case:
        return Case(source, "m", condition, "holds", Number(value, 0.0, 1.0, 9, p=p))

    first, again, other = run("first", "a"), run("again", "a"), run("other", "b")
    kept = [case(first, 0.5, 0.01), case(again, 0.5, 0.03), case(again, 0.4, 0.9), case(other, 0.5, 0.9)]
    kept += [case(first, 0.5, 0.9, "toward text"), *[case(run("unknown", None), 0.5, 0.9)] * 2]
    assert once(kept) == kept[1:]
    assert once(reversed(kept[:2])) == [kept[1]]
