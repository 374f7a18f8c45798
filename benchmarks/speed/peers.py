"""The head sweep by other libraries, where they are installed, beside the engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.circuits.peers import PEERS, ROUNDS, WRONG, compare, every_way
from benchmarks.speed.lines import Line
from benchmarks.speed.subject import Subject

from trimtab import Model, read_items
from trimtab.circuits import Cases, Head, build_cases, every_head
from trimtab.models import write_published
from trimtab.studies import choose_items

OWN = ("engine", "plain loop")
MOST_HEADS = 128
"""Of a model with more, peers sweep the heads of one layer, and what all would take is computed."""


def peers(subject: Subject) -> Iterator[Line]:
    """Every head silenced at the last token: each library on its own copy of the model, beside the engine."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _compared(subject.model, _checkpoint(subject.model, Path(folder)))


def _checkpoint(model: Model, folder: Path) -> str:
    """Return what peers load their own copy by; a model that was made here is written first."""
    if model.report.shards:
        return model.name
    write_published(model, folder)
    return str(folder)


def some_heads(model: Model) -> list[Head]:
    """Return the heads that peers sweep: all, or those of the middle layer; a pass of theirs costs the same for any."""
    heads = every_head(model)
    return heads if len(heads) <= MOST_HEADS else [head for head in heads if head[0] == model.n_layers // 2]


def _compared(model: Model, name: str) -> Iterator[Line]:
    heads = some_heads(model)
    one = Cases(build_cases(model, choose_items(read_items("pocket-mc2:test"), 1, seed=0))[:1])
    ways = every_way(model, name, heads, one[0])
    for peer, (version, _) in PEERS.items():
        if not any(name.startswith(peer) for name in ways):
            yield Line("peers", error=f"{peer} {version} is not installed, or does not work with this model")
    if set(ways) == set(OWN):
        return
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    found = compare(ways, one, clock, len(heads) / len(every_head(model)))
    for name, line in found.items():
        if name not in OWN:
            error = None if line["largest_difference"] < WRONG else f"{name} differs from the plain loop"
            ratio, low, high = (None if error else line[f"{of}_ratio"] for of in ("engine", "least", "largest"))
            yield Line("peers", name, "engine", ratio, low, high, ROUNDS, seconds={name: line["seconds"]}, error=error)
