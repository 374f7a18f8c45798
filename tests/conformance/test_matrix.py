"""Every job on the tiny model of every family: what the matrix of the docs says is what is found."""

from pathlib import Path

import pytest

from trimtab.testing import TINY_FAMILIES, tiny_model
from trimtab.testing.conformance import JOBS, Outcome, Subject, read_page, try_job, write_page

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
SAID = read_page(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="session", params=TINY_FAMILIES)
def subject(request: pytest.FixtureRequest) -> Subject:
    """A tiny model of each family in turn, made once for all its jobs."""
    return Subject(tiny_model(request.param))


@pytest.mark.parametrize("job", JOBS)
def test_what_the_page_says_is_found(subject: Subject, job: str):
    """``trimtab models matrix --family NAME --out docs/matrix.md`` writes a family's rows anew."""
    found = try_job(JOBS[job], subject)
    assert found.state != "failed", found.why
    assert found == SAID.get(subject.model.family.name, {}).get(job)


def test_a_page_is_read_as_it_was_written():
    outcomes = [Outcome("proved"), Outcome("refused", "its layers; are linear"), Outcome("not applicable", "no eyes")]
    cells = [*outcomes, Outcome("failed", "KeyError: 3")] * len(JOBS)
    matrix = {family: dict(zip(JOBS, cells[start:], strict=False)) for start, family in enumerate(("a", "b_2"))}
    assert read_page(write_page(matrix)) == matrix


def test_the_page_is_what_its_outcomes_are_written_as():
    assert SAID
    body, written = (page.partition("\n- ")[2] for page in (PAGE.read_text(encoding="utf-8"), write_page(SAID)))
    assert body == written
