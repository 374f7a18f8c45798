"""``harden``: train a model not to be harmed by the modality that does not matter."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trimtab.engine import Capability, admit
from trimtab.engine.local.whitebox import exclusive, opened
from trimtab.errors import ArtifactError, UsageError
from trimtab.files import check_writable, is_temporary
from trimtab.interference.hardening.card import model_card
from trimtab.interference.hardening.config import SEEN, HardenConfig, usual
from trimtab.interference.hardening.counts import counted
from trimtab.interference.hardening.evaluation import Accuracies, family_accuracies
from trimtab.interference.hardening.files import OUT, RECORD, read_json, save_model, write_json
from trimtab.interference.hardening.objective import Objective
from trimtab.interference.hardening.processes import leads, meet, of_all, of_the_first, processes
from trimtab.interference.hardening.rows import written_letters
from trimtab.interference.hardening.schedule import Schedule
from trimtab.interference.hardening.sharding import check_shared, home_of, in_step, share_out
from trimtab.interference.hardening.weights import Adapters, FullWeights, SpreadWeights, trainable
from trimtab.interference.perturbations import Donors, fitting
from trimtab.interference.views import Opened, clean_view
from trimtab.items import Item, items_fingerprint
from trimtab.items.admission import admit_items, check_items
from trimtab.locks import LOCK, FolderLock
from trimtab.made_with import source_digest
from trimtab.models import Model
from trimtab.progress import SILENT, Advance, Progress

if TYPE_CHECKING:
    from trimtab.interference.hardening.trainer import HardenTrainer

logger = logging.getLogger(__name__)

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


@exclusive
def harden(
    model: Model,
    train: Iterable[Item],
    out: str | Path,
    config: HardenConfig | None = None,
    *,
    validation: Iterable[Item] = (),
    progress: Progress = SILENT,
) -> Hardened:
    """Fine-tune a model on views of items that differ in what does not matter, and save the result.

    A run that was killed goes on from its last whole checkpoint when it is called again, and ends with the same
    weights; a run that is finished is returned as it is. The model given is left as it was.

    Processes that torchrun started share each step's items among them, whole: the batches are those of one process,
    and the weights are, but for rounding. All call this alike; the first one writes. With ``shard`` they also share
    the model itself, which is of no use afterwards: load the result.

    Args:
        model: The model.
        train: Items that say what is relevant and have options.
        out: Folder of the result.
        config: The run; left out, the defaults, with those of the usual perturbations that fit some item.
        validation: Items to evaluate on; the best checkpoint by the mean over families of the worst case is kept.
            Without them the last step is.
        progress: Told of steps as they finish.

    Returns:
        The result.

    Raises:
        UsageError: There is no item to train on, a part of the objective fits none of them, or several processes, as
            torchrun starts them, cannot share a step's items evenly, or the model.
        ArtifactError: The folder holds a run of another configuration, model, data set or version of the code.
        RunFolderError: Another process trains into it, or it cannot be written to.
        MissingDependencyError: LoRA is asked for and peft is not installed.
    """
    model = opened(model, Capability.GRADIENTS, Capability.WEIGHTS, owner="harden")
    out, items, held_out = Path(out), check_items(train, "`train` of harden"), list(validation)
    config = config or HardenConfig(perturbations=fitting(usual(model.modalities), items) or SEEN)
    meet(home_of(model, config))
    _check(model, config)
    assert model.fingerprint  # it is read off whole weights as they are, and kept
    training = trainable(model, config)
    share_out(model, config)
    schedule = _schedule(model, items, config)
    counts = counted(schedule)
    identity = _identity(model, schedule.items, held_out, config)
    with FolderLock(check_harden_folder(out), OUT) if leads() else nullcontext():
        record = of_the_first(_started(out, identity) if leads() else identity)
        if not record["finished"]:
            record["counts"] = asdict(counts)
            with progress.task(f"harden {model.name}", config.steps) as advance, in_step(model, config):
                record = _run(model, training, out, config, schedule, record, held_out, advance)
    return Hardened(out, record)


def _check(model: Model, config: HardenConfig) -> None:
    """Refuse what does not fit the model, or the processes."""
    if config.batch_size % processes():
        raise UsageError(
            f"`batch_size` of HardenConfig must be a multiple of the {processes()} processes that share a step; got "
            f"{config.batch_size}; choose another, or start fewer."
        )
    if processes() > 1 and _in_parts(model):
        raise UsageError(
            f"`model` of harden must be in one piece in each of several processes; {model.name} is spread by its "
            "`device_map`; load it without, and spread it over the processes with `shard`, or start one process."
        )
    check_shared(model, config)
    if config.method == "lora" and config.lora.rank > model.hidden_size:
        raise UsageError(
            f"`rank` of LoraConfig must be at most {model.hidden_size}, the width of {model.name}; got "
            f"{config.lora.rank}."
        )


def _in_parts(model: Model) -> bool:
    devices = {parameter.device for parameter in model.hf.parameters()}
    return len(devices) > 1 or devices == {torch.device("meta")}


def _run(
    model: Model,
    training: AbstractContextManager[Adapters | FullWeights | SpreadWeights],
    out: Path,
    config: HardenConfig,
    schedule: Schedule,
    record: dict[str, Any],
    held_out: list[Item],
    advance: Advance,
) -> dict[str, Any]:
    """Train, save and evaluate, from wherever the run was; return its record, finished."""
    chosen, donors = _balanced(held_out, config.evaluation_items), Donors(held_out, config.seed)

    def measure() -> Accuracies:
        return family_accuracies(model, chosen, config.perturbations, donors, config.seed)

    if chosen and "before" not in record:
        record |= _evaluated("before", measure())
        _write(out, record)
    probes = [schedule[place].prompts[0] for place in range(min(PROBES, len(schedule)))]
    letters = written_letters(model, probes, max(len(item.choices) for item in schedule.items))
    with training as weights:
        rates = (lambda: measure().rates) if chosen else None
        trainer = _trained(model, config, out, schedule, letters, rates, advance)
        skipped, log = dict(schedule.skipped), trainer.state.log_history
        for own in of_all(trainer.skipped):
            skipped |= own
        record |= {
            "steps": trainer.state.global_step,
            "per_step": _per_step(trainer),
            "skipped": len(skipped),
            "skipped_items": skipped,
            "evaluations": sum("eval_worst" in entry for entry in log),
            "evaluated_items": len(chosen),
            "log": log,
        }
        model.hf.eval()
        weights.settle()
        if chosen:
            record |= _evaluated("after", measure())
        if leads():
            record["files"] = save_model(out, weights.save, model_card(model.name, config, record))
    record = of_the_first(record)
    _write(out, record | {"finished": True})
    if leads():
        shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    of_all(None)  # nobody goes on before all is there
    if record["skipped"] and leads():
        first, reason = next(iter(record["skipped_items"].items()))
        logger.warning("Skipped %d items; the first: %s, %s", record["skipped"], first, reason)
    return record | {"finished": True}


def _schedule(model: Model, items: list[Item], config: HardenConfig) -> Schedule:
    """Plan the run; what the model cannot take gives way when its turn comes.

    Processes that prepare the data have no model to ask, so with them every item is looked at before, by its clean
    view.
    """
    if not config.num_workers:
        return Schedule(items, config, lambda prompts: next(iter(admit(model, prompts).values()), None))
    what = "`items` of harden"
    found = admit_items(model, items, lambda item: [clean_view(item).prompt(Opened())], what).require(what)
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
    advance: Advance,
) -> HardenTrainer:
    """Train from the last checkpoint, or from the start."""
    from trimtab.interference.hardening.trainer import HardenTrainer, drop_torn, last_checkpoint, settle

    folder = out / CHECKPOINTS
    trainer = HardenTrainer(Objective(model, config, letters), schedule, config, folder, evaluation, advance)
    if leads():
        drop_torn(folder, last_checkpoint(folder))
    last = of_the_first(last_checkpoint(folder))
    if last is not None and leads():
        settle(last, folder)
    of_all(None)
    if last is not None:
        advance(int(last.name.rpartition("-")[2]))
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return trainer


def _evaluated(when: str, found: Accuracies) -> dict[str, Any]:
    worst = {family: {**asdict(case), "ignored": list(case.ignored)} for family, case in found.worst.items()}
    return {when: found.rates, f"worst_{when}": worst}


def _per_step(trainer: HardenTrainer) -> dict[str, float]:
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


def _identity(model: Model, items: list[Item], validation: list[Item], config: HardenConfig) -> dict[str, Any]:
    extra = ("peft",) if config.method == "lora" else ()
    return {
        "name": model.name,
        "model": model.fingerprint,
        "items": len(items),
        "data": items_fingerprint(items),
        "validation": items_fingerprint(validation),
        "config": json.loads(json.dumps(asdict(config))),
        "processes": processes(),
        "versions": {
            **{name: version(name) for name in ("trimtab", "torch", "transformers", "numpy", "pillow", *extra)},
            "source": source_digest(),
        },
        "computed_in": f"{str(model.dtype).removeprefix('torch.')} on {model.device.type}",
    }


def check_harden_folder(out: str | Path, owner: str = OUT) -> Path:
    """Refuse, before any work, a place where no run can be kept.

    Args:
        out: The folder, which may not be there yet.
        owner: What the user calls it.

    Returns:
        The folder.

    Raises:
        ArtifactError: It is another kind of folder.
        RunFolderError: It is in use, or cannot be written to.
    """
    out = Path(out)
    check_writable(out, owner)
    found = out.is_dir() and [p for p in out.iterdir() if p.name != LOCK and not is_temporary(p)]
    if os.path.lexists(out) and not (out / RECORD).is_file() and found != []:
        raise ArtifactError(f"{owner} must be a new folder or an earlier run; {out} is neither; choose another.")
    if (out / RECORD).is_file():
        FolderLock(out, owner).release()
    return out


def _started(out: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a run that was begun with the same configuration and code, or begin one."""
    path = out / RECORD
    if not path.is_file():
        return _write(out, {**identity, "finished": False})
    record = read_json(path)
    if record is None or not isinstance(record.get("finished"), bool):
        raise ArtifactError(
            f"`{RECORD}` of {out} must be the record of a run; it is broken; delete the folder or choose another."
        )
    for key, value in identity.items():
        if record.get(key) != value:
            raise ArtifactError(
                f"`out` of harden must be a new folder or a run of the same {key}; {out} has {record.get(key)!r:.200}, "
                f"this run has {value!r:.200}; choose another folder."
            )
    files = record.get("files")
    for name, size in files.items() if record["finished"] and isinstance(files, dict) else ():
        if not (out / name).is_file() or (out / name).stat().st_size != size:
            raise ArtifactError(
                f"`out` of harden must be a whole run; {out / name} is not the file of {size} bytes that was saved; "
                "delete the folder and run the same command again."
            )
    return record


def _write(out: Path, record: dict[str, Any]) -> dict[str, Any]:
    if leads():
        write_json(out / RECORD, record)
    return record
