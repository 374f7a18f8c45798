"""What commands share that write a page out of finished runs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from trimtab.errors import TrimtabError


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join('---' for _ in columns)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(v) for v in row)} |" for row in rows)]) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3g}" if abs(value) < 0.01 and value else f"{value:.3f}"
    return str(value)


def between(text: str, begin: str, end: str, new: str) -> str:
    """Return a page with what stands between two marks replaced.

    Raises:
        ValueError: It has no such marks.
    """
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page must have the marks {begin} and {end}")
    return f"{before}{begin}\n{new}{end}{after}"


def page_command(about: str | None, write_page: Callable[[Sequence[Path], Path], Path], default: str) -> None:
    """Read the command line, ``RUN... [--out PAGE]``, and write the page.

    Args:
        about: What the command does.
        write_page: Writes the page out of runs, and returns where it is.
        default: The page, if none is named.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path(default))
    options = parser.parse_args()
    try:
        print(f"Page: {write_page(options.runs, options.out)}")
    except TrimtabError as error:
        parser.error(str(error))
