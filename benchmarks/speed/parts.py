"""Where the time of a job goes: how long its parts take beside one pass over the prompt."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch
from benchmarks.contribution.cost import LIMIT, SAMPLED
from benchmarks.speed.lines import Line
from benchmarks.speed.subject import Subject
from benchmarks.speed.timing import now, seconds
from torch.utils._python_dispatch import TorchDispatchMode

from trimtab import generate, run
from trimtab.contribution import limit, mcs, sampled
from trimtab.contribution.mcs import score_cases
from trimtab.contribution.shared_prefix import SharedPrefix
from trimtab.engine import Read
from trimtab.engine.local.whitebox import Piece, prefill
from trimtab.models import Model
from trimtab.steering.states import instructed

Parts = Mapping[str, tuple[object, str]]
"""By name, the function that does a part of the work, and where the work finds it. No part holds another."""

ROWS = {"rows, forward": (SharedPrefix, "answer")}
PARTS: dict[str, Parts] = {
    "exact": {
        **ROWS,
        "prefill and its entries": (mcs, "query_batch"),
        "rows, backward": (limit, "differentiate"),
        "inner products": (limit, "gram"),
    },
    "sampled": {
        **ROWS,
        "prefill and its entries": (mcs, "query_batch"),
        "rows, backward": (sampled, "differentiate"),
        "squares": (sampled, "squared_norms"),
        "sizes of the noise": (sampled, "noise_sizes"),
    },
    "states": {"pictures": (Model, "embed_media"), "decoder": (Model, "decode")},
    "answers": {"pictures": (Model, "embed_media"), "decoder": (Model, "decode")},
}
"""What is taken apart, by job."""


def profile(subject: Subject) -> Iterator[Line]:
    """Time the parts of jobs beside one prefill of the first prompt; what is in no part is Python and small tensors."""
    model, prompts = subject.model, subject.prompts
    asked = [prompt for own in prompts for prompt in (own, *instructed(own))]
    read = Read(logits=False, hidden=(subject.layer,))
    works: dict[str, Callable[[], object]] = {
        "exact": lambda: score_cases(model, [subject.case], LIMIT),
        "sampled": lambda: score_cases(model, [subject.case], SAMPLED),
        "states": lambda: run(model, asked, read),
        "answers": lambda: generate(model, prompts, max_new_tokens=subject.new_tokens),
    }
    for job, work in works.items():
        found = [_once(subject, work, PARTS[job], anew=job in ("states", "answers")) for _ in range(subject.rounds + 1)]
        for part in found[0]:
            shares = [own[part] for own in found[1:]]  # the first is to warm up
            yield Line(
                f"profile: {job}", part, "prefill", statistics.median(shares), min(shares), max(shares), len(shares)
            )
        ratio = operations(work) / operations(lambda: _prefill(subject))
        yield Line(f"profile: {job}", "operations", "prefill", ratio, ratio, ratio, 1)


def _once(subject: Subject, work: Callable[[], object], parts: Parts, anew: bool) -> dict[str, float]:
    """Return how many prefills each part takes, all of the work, and what is in no part."""
    model = subject.model
    if anew:
        model.forget_media()
    one = seconds(lambda: _prefill(subject), model.device)
    with watched(parts, model.device) as taken:
        whole = seconds(work, model.device)
    inside = {part: taken[part] / one for part in parts}
    return {"all": whole / one, **inside, "beside them": whole / one - sum(inside.values())}


def _prefill(subject: Subject) -> None:
    """Make one pass over the first prompt but its last token."""
    encoded = subject.case.encoded
    with torch.no_grad():
        prefill(subject.model, [Piece(encoded, 0, len(encoded) - 1)])


class Counting(TorchDispatchMode):
    """Counts operations that compute, in a backward pass too: about what a GPU is told to launch.

    Attributes:
        count: How many; views and fresh memory are none.
    """

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one, and do it."""
        schema = function._schema
        viewed = any(one.alias_info is not None and not one.alias_info.is_write for one in schema.returns)
        self.count += not viewed and "empty" not in schema.name
        return function(*args, **(kwargs or {}))


def operations(work: Callable[[], object]) -> int:
    """Return how many operations some work takes."""
    with Counting() as counting:
        work()
    return counting.count


@contextmanager
def watched(parts: Parts, device: torch.device) -> Iterator[dict[str, float]]:
    """Add up the seconds that each part takes inside the block."""
    taken = dict.fromkeys(parts, 0.0)

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            started = now(device)
            try:
                return function(*args, **kwargs)
            finally:  # a pass may be stopped once all that is asked for was read
                taken[part] += now(device) - started

        return call

    with ExitStack() as stack:
        for part, (owner, name) in parts.items():
            stack.enter_context(patch.object(owner, name, timed(part, getattr(owner, name))))
        yield taken
