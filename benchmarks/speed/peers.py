"""The head sweep by other libraries, where they are installed, beside the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.circuits.peers import PEERS, ROUNDS, WRONG, compare, every_way
from benchmarks.speed.lines import Line
from benchmarks.speed.subject import Subject

from trimtab import read_items
from trimtab.circuits import Cases, build_cases
from trimtab.studies import choose_items

OWN = ("engine", "plain loop")
MOST_HEADS = 128
"""Of larger models peers are not asked: a round of theirs takes minutes."""


def peers(subject: Subject) -> Iterator[Line]:
    """Every head silenced at the last token: each library on its own copy of the model, beside the engine."""
    model = subject.model
    if not model.report.shards:  # made here: peers load their own copy by its name
        yield Line("peers", error="not asked of a model without a checkpoint")
        return
    if model.n_layers * model.n_heads > MOST_HEADS:
        yield Line("peers", error=f"not asked: more than {MOST_HEADS} heads take a peer some minutes a round")
        return
    one = Cases(build_cases(model, choose_items(read_items("pocket-mc2:test"), 1, seed=0))[:1])
    ways = every_way(model, model.name, one[0])
    for peer, (version, _) in PEERS.items():
        if not any(name.startswith(peer) for name in ways):
            yield Line("peers", error=f"{peer} {version} is not installed, or does not work with this model")
    if set(ways) == set(OWN):
        return
    found = compare(ways, one, time.process_time if model.device.type == "cpu" else time.perf_counter)
    for name, line in found.items():
        if name not in OWN:
            error = None if line["largest_difference"] < WRONG else f"{name} differs from the plain loop"
            ratio, low, high = (None if error else line[f"{of}_ratio"] for of in ("engine", "least", "largest"))
            yield Line("peers", name, "engine", ratio, low, high, ROUNDS, seconds={name: line["seconds"]}, error=error)
