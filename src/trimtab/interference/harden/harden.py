"""``harden``: train a model not to be harmed by the modality that does not matter."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trimtab.data import Item, items_fingerprint
from trimtab.data.admission import admit_items
from trimtab.engine import admit
from trimtab.errors import ArtifactError, UsageError
from trimtab.interference.harden.card import model_card
from trimtab.interference.harden.config import HardenConfig
from trimtab.interference.harden.counts import counted
from trimtab.interference.harden.evaluation import Accuracies, family_accuracies
from trimtab.interference.harden.files import write_json
from trimtab.interference.harden.objective import Objective
from trimtab.interference.harden.rows import written_letters
from trimtab.interference.harden.schedule import Schedule
from trimtab.interference.harden.weights import trainable
from trimtab.interference.perturbations import Donors
from trimtab.interference.views import Pictures, clean_view
from trimtab.models import Model

logger = logging.getLogger(__name__)

RECORD = "harden.json"
CHECKPOINTS = "checkpoints"
PROBES = 16
"""Questions by which it is seen how the model writes a letter."""


@dataclass(frozen=True, eq=False)
class Hardened:
    """A finished run.

    Attributes:
        folder: What ``trimtab.load`` takes: adapters, or a whole model.
        record: What went in and what came out: fingerprints, versions, accuracies before and after, the log.
    """

    folder: Path
    record: dict[str, Any]


def harden(
    model: Model,
    train: Iterable[Item],
    out: str | Path,
    config: HardenConfig | None = None,
    *,
    validation: Iterable[Item] = (),
    progress: Callable[[int], None] | None = None,
) -> Hardened:
    """Fine-tune a model on views of items that differ in what does not matter, and save the result.

    A run that was killed goes on from its last whole checkpoint when it is called again, and ends with the same
    weights; a run that is finished is returned as it is. The model given is left as it was.

    Args:
        model: The model.
        train: Items that say what is relevant and have options.
        out: Folder of the result.
        config: The run.
        validation: Items to evaluate on; the best checkpoint by the mean over families of the worst case is kept.
            Without them the last step is.
        progress: Called with the number of steps just finished.

    Returns:
        The result.

    Raises:
        UsageError: There is no item to train on, a part of the objective fits none of them, or this is one of several
            processes, as torchrun starts them.
        ArtifactError: The folder holds a run of another configuration, model or data set.
        MissingDependencyError: LoRA is asked for and peft is not installed.
    """
    config, out, items, held_out = config or HardenConfig(), Path(out), list(train), list(validation)
    _refuse_several_processes()
    schedule = _schedule(model, items, config)
    counts = counted(schedule)
    record = _started(out, _identity(model, schedule.items, held_out, config))
    if record["finished"]:
        return Hardened(out, record)
    chosen = _balanced(held_out, config.evaluation_items)
    donors = Donors(held_out, config.seed)

    def measure() -> Accuracies:
        return family_accuracies(model, chosen, config.perturbations, donors, config.seed)

    if chosen and "before" not in record:
        record |= _evaluated("before", measure())
        _write(out, record)
    probes = [schedule[place].prompts[0] for place in range(min(PROBES, len(schedule)))]
    letters = written_letters(model, probes, max(len(item.choices) for item in schedule.items))
    with trainable(model, config) as weights:
        rates = (lambda: measure().rates) if chosen else None
        trainer = _trained(model, config, out, schedule, letters, rates, progress)
        skipped, log = schedule.skipped | trainer.skipped, trainer.state.log_history
        record |= {
            "steps": trainer.state.global_step,
            "per_step": _per_step(trainer),
            "counts": asdict(counts),
            "skipped": len(skipped),
            "skipped_items": skipped,
            "evaluations": sum("eval_worst" in entry for entry in log),
            "evaluated_items": len(chosen),
            "log": log,
        }
        model.hf.eval()
        weights.save(out)
        if chosen:
            record |= _evaluated("after", measure())
    (out / "README.md").write_text(model_card(model.name, config, record))
    _write(out, record | {"finished": True})
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    if record["skipped"]:
        first, reason = next(iter(record["skipped_items"].items()))
        logger.warning("Skipped %d items; the first: %s, %s", record["skipped"], first, reason)
    return Hardened(out, record | {"finished": True})


def _schedule(model: Model, items: list[Item], config: HardenConfig) -> Schedule:
    """Plan the run; what the model cannot take gives way when its turn comes.

    Processes that prepare the data have no model to ask, so with them every item is looked at before, by its clean
    view.
    """
    if not config.workers:
        return Schedule(items, config, lambda prompts: next(iter(admit(model, prompts).values()), None))
    what = "`items` of harden"
    found = admit_items(model, items, lambda item: [clean_view(item).prompt(Pictures())], what).require(what)
    schedule = Schedule(found.items, config)
    schedule.skipped |= {items[row - 1].id: reason for row, reason in found.skipped}
    return schedule


def _trained(
    model: Model,
    config: HardenConfig,
    out: Path,
    schedule: Schedule,
    letters: list[int],
    evaluation: Callable[[], dict[str, float]] | None,
    progress: Callable[[int], None] | None,
) -> Any:
    """Train from the last checkpoint, or from the start."""
    from trimtab.interference.harden.trainer import HardenTrainer, last_checkpoint

    folder = out / CHECKPOINTS
    trainer = HardenTrainer(Objective(model, config, letters), schedule, config, folder, evaluation, progress)
    last = last_checkpoint(folder)
    if last is not None and progress is not None:
        progress(int(last.name.rpartition("-")[2]))
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return trainer


def _evaluated(when: str, found: Accuracies) -> dict[str, Any]:
    worst = {family: {**asdict(case), "ignored": list(case.ignored)} for family, case in found.worst.items()}
    return {when: found.rates, f"worst_{when}": worst}


def _per_step(trainer: Any) -> dict[str, float]:
    """Average tokens and seconds over the steps of this process; a run that goes on has made others before."""
    done = max(1, trainer.steps_done)
    return {"seconds": trainer.seconds / done, **{k: v / done for k, v in trainer.objective.tokens.items()}}


def _balanced(items: list[Item], n: int) -> list[Item]:
    """Take items of each family in turn."""
    families: dict[Any, list[Item]] = {}
    for item in items:
        families.setdefault(item.relevant, []).append(item)
    turns = [item for turn in range(len(items)) for f in families.values() for item in f[turn : turn + 1]]
    return turns[:n]


def _refuse_several_processes() -> None:
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1":
        raise UsageError(
            f"`WORLD_SIZE` must be 1 for harden, which trains in one process on one device; it is {processes}; start "
            "it without torchrun."
        )


def _identity(model: Model, items: list[Item], validation: list[Item], config: HardenConfig) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.fingerprint,
        "items": len(items),
        "data": items_fingerprint(items),
        "validation": items_fingerprint(validation),
        "config": json.loads(json.dumps(asdict(config))),
        "versions": {name: version(name) for name in ("trimtab", "torch", "transformers")},
    }


def _started(out: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a run that was begun with the same configuration, or begin one."""
    path = out / RECORD
    if not path.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ArtifactError(
                f"`out` of harden must be a new folder or an earlier run; {out} is neither; choose another."
            )
        out.mkdir(parents=True, exist_ok=True)
        return _write(out, {**identity, "finished": False})
    record = json.loads(path.read_text())
    for key, value in identity.items():
        if key != "versions" and record.get(key) != value:
            raise ArtifactError(
                f"`out` of harden must be a new folder or a run of the same {key}; {out} has {record.get(key)!r:.200}, "
                f"this run has {value!r:.200}; choose another folder."
            )
    return record


def _write(out: Path, record: dict[str, Any]) -> dict[str, Any]:
    write_json(out / RECORD, record)
    return record
