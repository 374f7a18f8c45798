"""``trimtab check``: what to run first on a model of your own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars, remark
from trimtab.cli.early import check_model as check_there
from trimtab.cli.guard import INTERRUPTED
from trimtab.cli.inputs import load_model
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json, ModelName, Seed
from trimtab.cli.reading import Reading, reads
from trimtab.cli.safe_text import safe

if TYPE_CHECKING:
    from trimtab.checking import Checked, JobCheck
    from trimtab.items import Item
    from trimtab.models import Model

T = TypeVar("T")

BUNDLED = "pocket-mc2:test"
BUNDLED_ITEMS = 64
LABEL, WIDTH = 12, 100
"""Columns of a fact's name, and of a line of text."""


@reads
@loads
def check(
    model: ModelName,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]", help="Your items, as for measure; if left out, items of the bundled benchmark."
        ),
    ] = None,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
    loading: Loading,
) -> None:
    """Try every job on a model and say what works, how long your items will take, and how much memory.

    Run it first on a model of your own. The exit code is 0 if every job works and 1 if one does not.
    """
    own = data is not None
    check_there(model, loading)
    if not own:
        reading = replace(reading, limit=reading.limit or BUNDLED_ITEMS)
    items = reading.items(data or BUNDLED, seed)
    started = time.perf_counter()
    loaded = _tried(model, json, lambda: load_model(model, loading))
    seconds = time.perf_counter() - started
    found = _tried(model, json, lambda: _checked(loaded, items))
    if json:
        print_json({**found.to_dict(), "loaded_seconds": seconds, "data": data or BUNDLED})
    else:
        _print(found, seconds, data or BUNDLED, own)
    if not found.ok:
        raise typer.Exit(INTERRUPTED if found.interrupted else 1)


def _tried(name: str, json: bool, work: Callable[[], T]) -> T:
    """Do some work on a model; if it fails, say why: whatever it is, it is what was to be found out."""
    from trimtab.checking import reason_of

    try:
        return work()
    except Exception as error:
        reason = reason_of(error)
        if json:
            print_json({"ok": False, "model": {"name": name}, "reason": reason})
        else:
            print_line(f"{name} cannot be used, so no job works.")
            _print_text(reason, "  ")
        raise typer.Exit(1) from None


def _checked(model: Model, items: Sequence[Item]) -> Checked:
    from trimtab.checking import check_model

    with progress_bars() as bars:
        return check_model(model, items, bars, lambda job: remark("  ".join(filter(None, _cells(job, own=False)))))


def _print(found: Checked, seconds: float, data: str, own: bool) -> None:
    _print_facts("Model", _of_model(found, seconds))
    _print_facts("Items", _of_items(found, data))
    longest = found.prompts.tokens[0]
    wanted = ["all items"] if own else []
    print_table(
        f"Jobs, tried on the longest prompt ({longest:,} tokens)",
        ["verb", "job", "", "time", *wanted, "memory"],
        [_cells(job, own) for job in found.jobs],
        left=4 + own,
    )
    notes = [*_of_jobs(found.jobs), *found.notes]
    if own:
        notes.append("Times are of one item after the other; batches, which a GPU gains by, take less.")
    else:
        notes.append(f"Tried on {BUNDLED}; give your own items for the time and memory that they take.")
    print_line("Notes")
    for note in notes:
        _print_text(note, "- ", "  ")
    if found.interrupted:
        return
    failed = sum(job.status == "fails" for job in found.jobs)
    print_line(
        "Every job for such items works."
        if found.ok
        else f"{failed} of {len(found.jobs)} jobs do not work; see the notes."
    )


def _of_model(found: Checked, seconds: float) -> Iterator[tuple[str, str]]:
    model, machine, loading = found.model, found.machine, found.model["loading"]
    yield "name", f"{model['name']}, family {model['family']}, fingerprint {model['fingerprint']}"
    yield (
        "sizes",
        f"{model['layers']} layers of width {model['hidden_size']:,}, {model['heads']} heads ({model['kv_heads']} of "
        f"keys), {model['vocabulary']:,} tokens, {model['positions'] or 0:,} positions",
    )
    yield "weights", f"{model['parameters'] / 1e6:,.1f} million in {model['dtype']}, {size(model['weights_bytes'])}"
    placed = f"{loading['tensors']:,} tensors from {count(loading['shards'], 'file')}; " if loading["tensors"] else ""
    yield "loaded", f"in {duration(seconds)}: {placed}self-check passed"
    yield (
        "runs on",
        f"{model['device']}, {count(machine['threads'], 'thread')}, {model['attention']} attention; "
        f"{size(machine['free_bytes'])} free",
    )
    limit = loading["max_pixels"]
    photo = f"; a photo of 12 megapixels takes {loading['photo_tokens']:,} positions" if loading["photo_tokens"] else ""
    if limit or loading["photo_tokens"]:
        yield "pictures", (f"of at most {limit:,} pixels" if limit else "all scaled to one size") + photo


def _of_items(found: Checked, data: str) -> Iterator[tuple[str, str]]:
    prompts = found.prompts.to_dict()
    yield "data", f"{data}, {prompts['items']:,} items; {prompts['looked_at']} looked at"
    for label, key in (("prompts", "tokens"), ("pictures", "image_tokens")):
        least, most, middle = (prompts[key][name] for name in ("least", "most", "median"))
        if not most:
            continue
        spread = f"{least:,} to {most:,} tokens, half of them up to {middle:,.0f}"
        yield label, spread if least < most else f"{most:,} tokens each"
    yield "batches", f"of {count(found.machine['rows_at_once'], 'prompt')} of the longest kind fit"


def _of_jobs(jobs: Sequence[JobCheck]) -> Iterator[str]:
    """Say why jobs do not work, or were left out; one reason of several verbs is said once."""
    by_reason: dict[str, list[str]] = {}
    for job in jobs:
        if job.reason is not None:
            by_reason.setdefault(job.reason, []).append(job.verb)
    for reason, verbs in by_reason.items():
        yield f"{', '.join(dict.fromkeys(verbs))}: {reason}"


def _cells(job: JobCheck, own: bool) -> list[str]:
    cells = [job.verb, job.job, {"works": "works", "fails": "FAILS", "left out": "left out"}[job.status]]
    cells.append("" if job.seconds is None else f"{duration(job.seconds)} / {job.unit}")
    if own:
        total = job.total_seconds
        cells.append(
            "" if total is None or job.units is None else f"{duration(total)} for {count(job.units, job.unit)}"
        )
    return [*cells, "" if job.peak_bytes is None else size(job.peak_bytes)]


def _print_facts(title: str, facts: Iterator[tuple[str, str]]) -> None:
    print_line(title)
    for label, text in facts:
        _print_text(text, f"  {label:<{LABEL}}", " " * (LABEL + 2))
    print_line("")


def _print_text(text: str, first: str, later: str | None = None) -> None:
    """Print text that may hold anything, in lines of one width."""
    later = first if later is None else later
    print_line(
        "\n".join(wrap(safe(text), WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False))
    )


def duration(seconds: float) -> str:
    """Write a time as readers of tables want it."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def size(number: float) -> str:
    """Write a number of bytes as readers of tables want it."""
    if number >= 1e9:
        return f"{number / 1e9:.1f} GB"
    if number < 1e6:
        return "< 1 MB"
    return f"{number / 1e6:.0f} MB" if number >= 1e7 else f"{number / 1e6:.1f} MB"


def count(n: int, word: str) -> str:
    """Write a number of things."""
    return f"{n:,} {word}{'s' * (n != 1)}"
