"""What verbs print: tables and JSON on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

PIPE_WIDTH = 140
"""Columns of a table that no terminal will fold."""


def print_json(value: Any) -> None:
    """Print a value as one JSON document; what is no number becomes null."""
    sys.stdout.write(json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def remark(message: str) -> None:
    """Print a remark on stderr."""
    sys.stderr.write(f"{message}\n")


def print_line(message: str) -> None:
    """Print a line on stdout."""
    sys.stdout.write(f"{message}\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, gap: int = 2) -> None:
    """Print a table.

    Args:
        title: Its title.
        columns: Headings.
        rows: Cells; an empty row draws a line.
        left: How many columns, from the first, hold words rather than numbers.
        gap: Blanks between columns.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0)
    )
    for place, heading in enumerate(columns):
        table.add_column(heading, justify="left" if place < left else "right", no_wrap=place >= left)
    for row in rows:
        if row:
            table.add_row(*row)
        else:
            table.add_section()
    console.print(table)


class BarProgress:
    """Shows each task of a study as a progress bar."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar while the block runs."""
        bar = self.bars.add_task(title, total=total)
        yield lambda n: self.bars.advance(bar, n)
        self.bars.update(bar, completed=total)


@contextmanager
def progress_bars() -> Iterator[BarProgress]:
    """Show progress bars on stderr while the block runs, and no others."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from transformers.utils import logging

    logging.disable_progress_bar()  # its bars of single files would break ours
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield BarProgress(bars)


def _plain(value: Any) -> Any:
    """Make a value ready for strict JSON."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):  # a NumPy number
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
