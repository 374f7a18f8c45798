"""Check a model on a data set: facts, prompts, jobs, notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab.checking.facts import model_facts, notes_on
from trimtab.checking.jobs import JOBS
from trimtab.checking.peak import free_bytes
from trimtab.checking.prompts import PromptSizes, prompt_sizes
from trimtab.checking.trial import JobCheck, Trial, try_job
from trimtab.engine import Capability
from trimtab.engine.local.whitebox import first_guess, opened
from trimtab.errors import DataError
from trimtab.items import Item
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.studies.kit.provenance import hardware


@dataclass(eq=False)
class Checked:
    """What was found out about a model and a data set.

    Attributes:
        model: What the model is; see ``model_facts``.
        machine: Where it runs, with ``free_bytes`` and ``rows_at_once``, the prompts of the longest kind that one batch
            holds.
        prompts: How long the prompts are.
        jobs: What came of each job.
        notes: What else there is to know, in sentences.
        interrupted: Whether it was stopped before all jobs were tried.
    """

    model: dict[str, Any]
    machine: dict[str, Any]
    prompts: PromptSizes
    jobs: list[JobCheck] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether every job was tried, and works if it is for items of this kind."""
        return not self.interrupted and all(job.status != "fails" for job in self.jobs)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {
            "ok": self.ok,
            "model": self.model,
            "machine": self.machine,
            "prompts": self.prompts.to_dict(),
            "jobs": [job.to_dict() for job in self.jobs],
            "notes": self.notes,
        }


def check_model(
    model: Model, items: Sequence[Item], progress: Progress = SILENT, tell: Callable[[JobCheck], None] = lambda _: None
) -> Checked:
    """Try every job on the item with the longest prompt, and say what the whole data set will take.

    The model is loaded, so its self-check has passed. Nothing is written but a temporary folder.

    Args:
        model: The model.
        items: The items it is to be used on; some 64 of them are looked at, one is tried.
        progress: Told of jobs as they finish.
        tell: Told what came of each job at once; an interrupt later on keeps what there is.

    Raises:
        DataError: No item can be asked.
        UnsupportedEngineError: The model is not in this process.
    """
    model = opened(model, Capability.WEIGHTS, owner="check")
    sizes = prompt_sizes(model, items)
    if not sizes.usable:
        reason = sizes.refused[0].reason if sizes.refused else "there is none"
        raise DataError(f"`items` of check must hold at least one that {model.name} can be asked; {reason}.")
    machine = {
        **hardware([model]),
        "free_bytes": free_bytes(model.device),
        "rows_at_once": first_guess(model, sizes.tokens[0]),
    }
    found = Checked(model_facts(model), machine, sizes, notes=notes_on(model, sizes))
    trial = Trial(model, sizes)
    with progress.task("check", len(JOBS)) as advance:
        try:
            for job in JOBS:
                found.jobs.append(try_job(job, trial))
                tell(found.jobs[-1])
                advance(1)
        except KeyboardInterrupt:
            found.interrupted = True
            found.notes.append(f"Interrupted: {len(found.jobs)} of {len(JOBS)} jobs were tried.")
    model.forget_media()
    return found
