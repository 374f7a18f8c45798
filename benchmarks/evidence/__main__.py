"""Write the page of evidence: every claim with what was measured, out of finished runs.

    python -m benchmarks.evidence RUN... [--out docs/evidence.md]

A RUN is the folder of a finished run of any kind, or a JSON file of a benchmark, such as
``docs/contribution_held_out.json``. Figures go into ``images/evidence`` beside the page, the numbers
into a JSON file of its name. Claims are data, in ``benchmarks/evidence/claims``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.evidence.claims.every import GROUPS
from benchmarks.evidence.drawing import intervals, paper_figures
from benchmarks.evidence.page import as_data, slug, write
from benchmarks.evidence.row import Answer
from benchmarks.evidence.sources import read
from benchmarks.evidence.tables import paper_tables
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
    evidence = read(runs)
    groups = [(group, [Answer(row, row.cases(evidence)) for row in group.rows]) for group in GROUPS]
    drawn: dict[str, str] = {}
    home = out.parent / IMAGES
    for group, answers in groups:
        for answer in answers:
            figure, name = intervals(answer), slug(group, answer)
            if figure is not None:
                drawn[name] = _saved(figure, home, name)
    figures = list(paper_figures(evidence))
    for one in figures:
        _saved(one.figure, home, one.name)
    command = f"python -m benchmarks.evidence {' '.join(map(str, runs))} --out {out}"
    page = write(groups, paper_tables(evidence), figures, evidence, drawn=drawn, folder=IMAGES, command=command)
    write_whole(out.with_suffix(".json"), json.dumps(as_data(groups), indent=1) + "\n")
    return write_whole(out, page)


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
