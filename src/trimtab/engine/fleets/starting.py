"""``fleet``: a model on many workers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from trimtab.engine.fleets import work
from trimtab.engine.fleets.cluster import Cluster
from trimtab.engine.fleets.engine import Fleet
from trimtab.engine.fleets.workers import Workers
from trimtab.errors import UnsupportedModelError

PIECE_TOKENS = 16_384
"""Prompt tokens of a piece, roughly: a few batches of a GPU, and few enough that workers end at about the same time."""


def fleet(
    model: str | Path,
    *,
    workers: int = 1,
    gpus_per_worker: float | None = None,
    cpus_per_worker: int = 1,
    address: str | None = None,
    piece_tokens: int = PIECE_TOKENS,
    **loading: Any,
) -> Fleet:
    """Load a model on each of some workers, and return one engine over all of them: it goes where a model goes.

    Rows are cut into pieces that do not depend on how many workers there are, and results come back in the rows' order,
    with receipts and costs added up. A worker that dies is replaced, and only the piece that it was at is done again.
    So the result has the same bytes as that of one worker, if all compute alike.

    Args:
        model: Bundled name, folder or Hub id, to be had by every worker.
        workers: How many.
        gpus_per_worker: GPUs of each, several for a ``device_map``; a share below 1 puts several workers on one. Left
            out, 1 where there are any.
        cpus_per_worker: Cores, and so threads, of each.
        address: Where a Ray cluster is, such as ``auto`` or ``ray://head:10001``; left out, this machine is one.
        piece_tokens: Prompt tokens of a piece, roughly. Smaller ones are shared out more evenly, and lose less with a
            worker; larger ones fill a GPU better. Another number may change the last bit of a result.
        **loading: What else ``trimtab.load`` is told, such as ``dtype`` or ``device_map``.

    Returns:
        The engine; a context manager that ends the workers.

    Raises:
        MissingDependencyError: Ray is not installed.
        UsageError: There is no cluster at the address, this machine has not so many cores or GPUs, or the model is not
            there.
        UnsupportedModelError: The workers found different models under the name.
    """
    cluster = Cluster(workers, gpus_per_worker, cpus_per_worker, address)
    found = Workers(partial(work.local_engine, str(model), loading), cluster)
    try:
        every = found.everywhere(work.facts_of)
        if len(set(every)) > 1:
            raise UnsupportedModelError(
                f"`model` of fleet must be the same on every worker; {model} has the fingerprints "
                f"{', '.join(sorted({facts.fingerprint for facts in every}))}, on {every[0].device} and others; give a "
                "folder that all share."
            )
    except BaseException:
        found.close()
        raise
    return Fleet(found, every[0], piece_tokens)
