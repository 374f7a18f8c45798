"""Write the page of evidence: every claim with what was measured, out of finished runs.

    python -m benchmarks.evidence RUN... [--out docs/evidence.md]

A RUN is the folder of a finished run of any kind, or a JSON file of a benchmark, such as
``docs/contribution_held_out.json``. Figures go into ``images/evidence`` beside the page, the numbers
into a JSON file of its name. Claims are data, in ``benchmarks/evidence/claims``.

That JSON file can be a RUN too, ``docs/evidence.json``: what it says of runs that are not named is kept, and so are
their rows of the paper's tables and their figures. Verdicts that are kept are those of the rules by which they were
written.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.evidence.claims.every import GROUPS
from benchmarks.evidence.data import PAGE, Kept, as_data, kept
from benchmarks.evidence.drawing import intervals, paper_figures
from benchmarks.evidence.page import slug, write
from benchmarks.evidence.repeated import once
from benchmarks.evidence.row import Answer, Case, Row
from benchmarks.evidence.sources import Evidence, read
from benchmarks.evidence.tables import Captioned, Shaped, joined_tables, paper_tables
from benchmarks.pages import page_command
from PIL import Image

from trimtab.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES = "images/evidence"
COLOURS = 64


def write_page(runs: Sequence[Path], out: Path) -> Path:
    """Write page, figures and numbers.

    Args:
        runs: Run folders and JSON files.
        out: The page.

    Returns:
        The page.

    Raises:
        UsageError: Something among the runs is neither.
    """
    earlier = [path for path in runs if path.name == PAGE]
    evidence = read([path for path in runs if path.name != PAGE])
    old = kept(earlier[0], [source.name for source in evidence.sources]) if earlier else None
    groups = [(group, [Answer(row, _cases(row, evidence, old)) for row in group.rows]) for group in GROUPS]
    everything = evidence if old is None else replace(evidence, sources=old.sources + evidence.sources)
    drawn: dict[str, str] = {}
    home = out.parent / IMAGES
    for group, answers in groups:
        for answer in answers:
            figure, name = intervals(answer), slug(group, answer)
            if figure is not None:
                drawn[name] = _saved(figure, home, name)
    tables, figures = _of_paper(evidence, home, old)
    command = f"python -m benchmarks.evidence {' '.join(map(str, runs))} --out {out}"
    page = write(groups, tables, figures, everything, drawn=drawn, folder=IMAGES, command=command)
    write_whole(out.with_suffix(".json"), json.dumps(as_data(groups, tables, figures, everything), indent=1) + "\n")
    return write_whole(out, page)


def _cases(row: Row, evidence: Evidence, old: Kept | None) -> list[Case]:
    return once((old.cases.get(row.claim, []) if old is not None else []) + row.cases(evidence))


def _of_paper(evidence: Evidence, home: Path, old: Kept | None) -> tuple[list[Shaped], list[Captioned]]:
    """Lay out the paper's tables and draw its figures; those that an earlier page had of other runs stay."""
    again = {source.name for source in evidence.sources}
    tables = joined_tables(old.tables if old else [], paper_tables(evidence), again)
    figures = {own.name: own for own in (old.figures if old else [])}
    drawn = {}
    for told, figure in paper_figures(evidence):
        if told.name not in figures or figures[told.name].run in again:
            _saved(figure, home, told.name)
            drawn[told.name] = told
    figures |= drawn
    return tables, [own for name, own in figures.items() if own.run not in again or name in drawn]


def _saved(figure: Figure, home: Path, name: str) -> str:
    """Save a figure with so few colours that a page of them stays small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=80, metadata={"Software": None})
    small = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
    write_whole(home / f"{name}.png", small.getvalue())
    return f"{name}.png"


if __name__ == "__main__":
    page_command(__doc__, write_page, "docs/evidence.md")
