"""A job of the conformance suite, and what came of trying it on a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from trimtab.errors import UnsupportedMethodError, UnsupportedModelError
from trimtab.registry import Registry
from trimtab.testing.conformance.subject import Subject

State = Literal["proved", "refused", "not applicable", "failed"]


@dataclass(frozen=True)
class Job:
    """One claim about a family, tried on a model of it.

    Attributes:
        name: What tables call it, in a few words.
        group: What its jobs have in common: the name of the file that it stands in.
        claim: What holds where it is proved, in a sentence.
        run: Tries it; raises ``AssertionError`` with numbers if the claim fails, ``UnsupportedMethodError`` or
            ``UnsupportedModelError`` if the job is refused, ``NotApplicableError`` if there is nothing to try.
    """

    name: str
    group: str
    claim: str
    run: Callable[[Subject], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        state: ``proved``, ``refused``, ``not applicable`` or ``failed``.
        why: The reason, but for what is proved.
    """

    state: State
    why: str = ""


class NotApplicableError(Exception):
    """A model has nothing that a job could be tried on; the message says what."""


JOBS: Registry[Job] = Registry("`job`")
"""All jobs by name, in the order of tables."""


def job(run: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """Make a job known: a decorator. Its name is the function's, its claim the docstring."""
    claim = " ".join((run.__doc__ or "").split())
    JOBS.register(Job(run.__name__.replace("_", " "), run.__module__.rpartition(".")[2], claim, run))
    return run


def try_job(job: Job, subject: Subject) -> Outcome:
    """Try one job on a model; whatever it raises is an outcome."""
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            job.run(subject)
    except NotApplicableError as nothing:
        return Outcome("not applicable", str(nothing))
    except (UnsupportedMethodError, UnsupportedModelError) as refusal:
        return Outcome("refused", shortened(str(refusal), subject.model.name))
    except Exception as error:
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        return Outcome("failed", kind + " ".join(str(error).split()))
    return Outcome("proved")


def shortened(sentence: str, name: str) -> str:
    """Return the reason of a refusal without the rule before it, the remedy after it and the model's name."""
    reason = sentence.rpartition(" is refused: ")[2] if " is refused: " in sentence else sentence
    kept = reason.rpartition("; ")[0] or reason
    return " ".join(kept.replace(name, "the model").split()).rstrip(".")
