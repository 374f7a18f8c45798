"""What verbs print: tables and JSON on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from trimtab.cli.safe_text import safe, safe_json
from trimtab.progress import SILENT, Advance, Silent

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

PIPE_WIDTH = 140
"""Columns of a table that no terminal will fold."""


def print_json(value: object) -> None:
    """Print a value as one JSON document; what is no number becomes null."""
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    document = json.dumps(_plain(value), indent=1, ensure_ascii=not unicode, allow_nan=False)
    sys.stdout.write(f"{safe_json(document)}\n")


def remark(message: str) -> None:
    """Print a remark on stderr, as one line; nothing where quiet was asked for."""
    if not _quiet.get():
        warn(message)


def warn(message: str) -> None:
    """Print an error or a warning on stderr, as one line, also where quiet was asked for."""
    sys.stderr.write(f"{safe(message)}\n")


_quiet = ContextVar("quiet", default=False)


@contextmanager
def quietly(wanted: bool) -> Iterator[None]:
    """Show no progress and no remarks while the block runs, if that is wanted here or around it."""
    token = _quiet.set(wanted or _quiet.get())
    try:
        yield
    finally:
        _quiet.reset(token)


def print_line(message: str) -> None:
    """Print text on stdout; its line breaks stay."""
    sys.stdout.write("".join(f"{safe(line)}\n" for line in message.split("\n")))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, gap: int = 2) -> None:
    """Print a table.

    Args:
        title: Its title.
        columns: Headings.
        rows: Cells, shown letter by letter: nothing in them is markup; a row may be short, an empty one draws a line.
        left: How many columns, from the first, hold words rather than numbers.
        gap: Blanks between columns.
    """
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, emoji=False)
    for numbers_whole in (True, False):
        widths = _least_widths(columns, rows, left, numbers_whole=numbers_whole)
        if sum(widths) + gap * len(widths) <= console.width:
            print_line(title)
            console.print(_table(columns, rows, left, gap, widths))
            return
    _print_one_by_one(title, columns, rows)


WORD = 16
"""Columns of a terminal that a word gets before it is broken."""


def _least_widths(
    columns: Sequence[str], rows: Sequence[Sequence[str]], left: int, *, numbers_whole: bool
) -> list[int]:
    """Return the width below which each column cannot be read: that of its longest word, or of a whole number."""
    from rich.cells import cell_len

    found = []
    for place, heading in enumerate(columns):
        cells = [safe(heading), *(safe(row[place]) for row in rows if place < len(row))]
        if place >= left and numbers_whole:
            found.append(max(map(cell_len, cells)))
        else:
            found.append(min(WORD, max((cell_len(word) for cell in cells for word in cell.split()), default=1)))
    return found


def _print_one_by_one(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a line for each cell, where the terminal is too narrow for a table."""
    print_line(title)
    for row in rows:
        print_line("")
        for heading, cell in zip(columns, row, strict=False):
            print_line(f"{heading}: {cell}" if heading else cell)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int, gap: int, widths: Sequence[int]) -> Table:
    """Lay out a table whose columns are at least so wide.

    Its title is printed by itself: a table would break it at its own width.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0))
    for place, heading in enumerate(columns):
        table.add_column(
            Text(safe(heading)),
            justify="left" if place < left else "right",
            overflow="fold",
            min_width=widths[place],
        )
    for row in rows:
        if row:
            table.add_row(*(Text(safe(cell)) for cell in row))
        else:
            table.add_section()
    return table


class BarProgress:
    """Shows each task of a study as a progress bar, for people at a terminal."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Show a bar while the block runs."""
        if not total:
            yield lambda _n: None
            return
        bar = self.bars.add_task(safe(name), total=total)
        yield lambda n: self.bars.advance(bar, n)
        self.bars.update(bar, completed=total)


EVERY_SECONDS = 5.0
"""Least time between two lines about one task."""


class LineProgress:
    """Says in lines how each task gets on, for logs and files, where a bar would show nothing before it ends."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Say that a task begins, how far it is at most every few seconds, and, if it took as long, that it is done."""
        if not total:
            yield lambda _n: None
            return
        started = said = self.now()
        done = 0
        remark(f"{name}: {total} to do")

        def advance(n: int) -> None:
            nonlocal done, said
            done += n
            now = self.now()
            if now - said >= EVERY_SECONDS and done < total:
                said = now
                spent = now - started
                left = f", about {in_words(spent * (total - done) / done)} left" if done else ""
                remark(f"{name}: {done} of {total} in {in_words(spent)}{left}")

        yield advance
        spent = self.now() - started
        if spent >= EVERY_SECONDS:
            remark(f"{name}: done in {in_words(spent)}")


def in_words(seconds: float) -> str:
    """Return a time as short as it is easily read: 42 s, 3 min 5 s, 2 h 10 min."""
    minutes = round(seconds) // 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min {round(seconds) % 60} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def progress_bars() -> Iterator[BarProgress | LineProgress | Silent]:
    """Show progress on stderr while the block runs: bars on a terminal, lines elsewhere; and nobody else's bars."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # its bars of single files would break ours
    if _quiet.get():
        yield SILENT
        return
    if not at_a_terminal():
        yield LineProgress()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield BarProgress(bars)


@contextmanager
def loading_shown(name: str) -> Iterator[None]:
    """Say on stderr that a model is being loaded; files of a download still show their own bars on a terminal."""
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging

    hub = not are_progress_bars_disabled()
    logging.disable_progress_bar()
    if _quiet.get() or not at_a_terminal():
        remark(f"Loading {name}")
        yield
        return
    if hub:
        enable_progress_bars()
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(f"Loading {safe(name)}")):
        yield


def at_a_terminal() -> bool:
    """Whether stderr is a terminal that can draw a line anew."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@runtime_checkable
class _Number(Protocol):
    """A number of NumPy or torch."""

    def item(self) -> object: ...


def _plain(value: object) -> object:
    """Make a value ready for strict JSON."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, _Number):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
