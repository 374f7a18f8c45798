"""The matrix as a page: families by jobs, with the reasons as numbered notes; written, and read again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version

from trimtab.testing.conformance.matrix import Matrix
from trimtab.testing.conformance.outcomes import JOBS, Job, Outcome, State

TITLES = {
    "showing": "What a model is shown",
    "computing": "How it is computed",
    "editing": "Edits",
    "hooked": "Edits beside plain hooks",
    "working": "The jobs of the papers",
}
"""A title for each group of jobs; each is a table."""

PROVED = "✓"
WORDS: dict[State, str] = {"refused": "refused", "not applicable": "n/a", "failed": "**FAILED**"}
COMMAND = "trimtab models matrix --out docs/matrix.md"
CELL = re.compile(r"(.+) \[(\d+)\]")
NOTE = re.compile(r"(\d+)\. (.+)")


def write_page(matrix: Matrix) -> str:
    """Return the page of a matrix."""
    notes: dict[str, int] = {}
    tables = [line for group in TITLES for line in _table(matrix, group, notes)]
    return "\n".join([*_head(), *tables, *_claims(), "## Notes", "", *(f"{n}. {why}" for why, n in notes.items()), ""])


def _head() -> Iterator[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in ("trimtab", "transformers", "torch"))
    yield from (
        "# What is proved of each family",
        "",
        f"Made by `{COMMAND}` with {versions}; by nobody's hand. Each cell is a job of",
        "[`trimtab.testing.conformance`](families.md#try-it), tried on a tiny model of the family with random weights.",
        "A test tries all of them again and compares each outcome with this page.",
        "",
        f"- {PROVED} *proved*: the claim below was tried, and its numbers hold.",
        f"- {WORDS['refused']}: the job stops with a sentence before any work; the note of that number says why.",
        f"- {WORDS['not applicable']}: there is nothing to try; the note says why.",
        "",
    )


def _table(matrix: Matrix, group: str, notes: dict[str, int]) -> Iterator[str]:
    jobs = _of(group)
    yield from (f"## {TITLES[group]}", "", f"| family | {' | '.join(job.name for job in jobs)} |")
    yield f"|---|{':-:|' * len(jobs)}"
    for family in sorted(matrix):
        cells = [_cell(matrix[family][job.name], notes) for job in jobs]
        yield f"| {family} | {' | '.join(cells)} |"
    yield ""


def _of(group: str) -> list[Job]:
    return [job for job in JOBS.values() if job.group == group]


def _cell(outcome: Outcome, notes: dict[str, int]) -> str:
    if outcome.state == "proved":
        return PROVED
    return f"{WORDS[outcome.state]} [{notes.setdefault(outcome.why, len(notes) + 1)}]"


def _claims() -> Iterator[str]:
    yield from ("## What is claimed", "")
    yield from (f"- **{job.name}**: {job.claim}" for group in TITLES for job in _of(group))
    yield ""


def read_page(page: str) -> dict[str, dict[str, Outcome]]:
    """Return the matrix that a page was written of."""
    notes = {found[1]: found[2] for line in page.splitlines() if (found := NOTE.fullmatch(line))}
    states: dict[str, State] = {word: state for state, word in WORDS.items()}
    matrix: dict[str, dict[str, Outcome]] = {}
    names: list[str] = []
    for line in page.splitlines():
        if not line.startswith("|") or line.startswith("|--"):
            continue
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if first == "family":
            names = cells
            continue
        for name, cell in zip(names, cells, strict=True):
            found = CELL.fullmatch(cell)
            outcome = Outcome(states[found[1]], notes[found[2]]) if found else Outcome("proved")
            matrix.setdefault(first, {})[name] = outcome
    return matrix
