"""The training loop: transformers' Trainer with our objective, evaluation, and an answer to lack of memory."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from trimtab.engine.local.whitebox import out_of_memory, release, too_large
from trimtab.errors import RunFolderError
from trimtab.files import writing
from trimtab.interference.hardening.config import HardenConfig
from trimtab.interference.hardening.files import OUT, read_json, write_json
from trimtab.interference.hardening.objective import Objective
from trimtab.interference.hardening.processes import number, of_all, of_the_first, processes
from trimtab.interference.hardening.schedule import Group, Schedule, as_batch
from trimtab.interference.hardening.sharding import from_own_part, own_part
from trimtab.progress import Advance

logger = logging.getLogger(__name__)

LOGS = 20
"""Loss reports of a run."""
SKIPPED = "skipped-{}.json"
"""Items that each process has skipped so far, beside the run's checkpoints."""
PART = "optimizer-{}.pt"
"""What each process keeps of the optimizer, in a checkpoint of a model that is spread."""


class HardenTrainer(Trainer):
    """Trains an ``Objective`` on a ``Schedule``."""

    loss_is_scaled_for_ga = False

    def __init__(
        self,
        objective: Objective,
        schedule: Schedule,
        config: HardenConfig,
        folder: Path,
        evaluation: Callable[[], dict[str, float]] | None,
        advance: Advance,
    ) -> None:
        """Prepare a run.

        Args:
            objective: What is trained; ``steps_done`` and ``seconds`` count its steps in this process.
            schedule: What it is trained on.
            config: The run.
            folder: Where checkpoints go; a killed run goes on from the last of them.
            evaluation: Measures the model; ``worst`` of its result picks the best checkpoint. None evaluates nothing
                and keeps the last step.
            advance: Called with the number of steps just finished.
        """
        stop_early = evaluation is not None and config.patience > 0
        super().__init__(
            model=objective,
            args=training_arguments(config, folder, objective.model.device, evaluation is not None),
            train_dataset=schedule,
            eval_dataset=schedule,  # never read: `evaluate` measures by itself
            data_collator=as_batch,
            callbacks=[EarlyStoppingCallback(config.patience)] if stop_early else [],
        )
        if config.shard:  # layers gather and spread themselves; gradients of all else are averaged beside them
            self.is_distributed_loading_by_transformers = True
        self.remove_callback(PrinterCallback)  # what runs print is for their callers to say
        self.objective = objective
        self.evaluation = evaluation
        self.micro_batch = config.micro_batch or config.batch_size // processes()
        self.folder = folder
        self._skipped_file = folder / SKIPPED.format(number())
        self.skipped: dict[str, str] = read_json(self._skipped_file) or {}
        self.advance = advance
        self.steps_done = 0
        self.seconds = 0.0
        self._parts: dict[str, float] = {}
        self._steps = 0

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        """Leave a model that is shared out where it is."""
        assert isinstance(model, Objective)
        if not model.settings.shard:
            super()._move_model_to_device(model, device)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of some groups, times their share of the step."""
        loss = model(inputs["groups"], inputs["share"])
        return (loss, {}) if return_outputs else loss

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Add up the gradients of a step in micro-batches; when memory runs out, halve them and do the step again.

        A step's gradients start at zero here, since micro-batches are the only accumulation, so a step that failed
        half-way is simply thrown away: what is trained does not depend on how much memory there was.
        """
        groups: list[Group] = inputs["groups"]
        self._keep_skipped(groups)
        while True:
            try:
                return self._step(model, groups)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                alone = processes() == 1  # others would wait for gradients of a step that is begun again
                if not alone or (self.micro_batch == 1 and not self.objective.model.remembered_bytes):
                    items = min(self.micro_batch, len(groups))
                    what = "the views of one item in a step" if items == 1 else f"a micro_batch of {items} items"
                    raise too_large(self.objective.model, what, error) from error
            model.zero_grad()
            if not self.objective.model.give_up_media():
                self.micro_batch = (min(self.micro_batch, len(groups)) + 1) // 2
                logger.warning("Out of memory; going on with micro-batches of %d items.", self.micro_batch)
            release()

    def _keep_skipped(self, groups: list[Group]) -> None:
        """Remember skipped items also on disk: a run that goes on does not come across all of them again."""
        new = {item: reason for group in groups for item, reason in group.skipped.items() if item not in self.skipped}
        if new:
            self.skipped |= new
            write_json(self._skipped_file, self.skipped)

    def _step(self, model: nn.Module, groups: list[Group]) -> Tensor:
        started = time.perf_counter()
        total, parts = torch.zeros((), device=self.args.device), dict[str, float]()
        for start in range(0, len(groups), self.micro_batch):
            part, last = groups[start : start + self.micro_batch], start + self.micro_batch >= len(groups)
            with nullcontext() if last else self.accelerator.no_sync(model):  # other processes are met once a step
                total += super().training_step(model, {"groups": part, "share": len(part) / len(groups)})
            for name, value in self.objective.parts.items():
                parts[name] = parts.get(name, 0.0) + value
        for name, value in parts.items():
            self._parts[name] = self._parts.get(name, 0.0) + value
        self._steps += 1
        self.steps_done += 1
        self.seconds += time.perf_counter() - started
        self.advance(1)
        return total

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Report the loss's parts, averaged since the last report, beside the loss."""
        if "loss" in logs and self._steps:
            every = of_all(self._parts)
            names = dict.fromkeys(name for parts in every for name in parts)
            total = {name: sum(parts.get(name, 0.0) for parts in every) for name in names}
            logs = {**logs, **{name: value / self._steps / len(every) for name, value in total.items()}}
            self._parts, self._steps = {}, 0
        super().log(logs, start_time)

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        """Say in one sentence when the disk refuses."""
        with writing(self.folder, OUT):
            super()._save_checkpoint(model, trial)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Have each process keep its part of what is spread, in a file of its own."""
        if not self.objective.settings.shard:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        Path(output_dir).mkdir(parents=True, exist_ok=True)  # the first process may not have come so far
        optimizer, schedule = cast(Any, self.optimizer), cast(Any, self.lr_scheduler)
        kept = {"optimizer": own_part(optimizer.state_dict()), "schedule": schedule.state_dict()}
        torch.save(kept, Path(output_dir) / PART.format(number()))
        of_all(None)  # the state that makes a checkpoint whole is written once all parts are there

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Have each process go on with its part."""
        if checkpoint is None or not self.objective.settings.shard:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        optimizer, schedule = cast(Any, self.optimizer), cast(Any, self.lr_scheduler)
        kept = torch.load(Path(checkpoint) / PART.format(number()), map_location="cpu", weights_only=True)
        optimizer.load_state_dict(from_own_part(kept["optimizer"], optimizer))
        schedule.load_state_dict(kept["schedule"])

    def evaluate(self, *_args: object, metric_key_prefix: str = "eval", **_kwargs: object) -> dict[str, float]:
        """Measure accuracies on the validation items instead of a loss."""
        assert self.evaluation is not None
        self.objective.eval()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in of_the_first(self.evaluation()).items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint: one whose state, which is written last, can be read; None without one."""
    found = sorted(folder.glob("checkpoint-*"), key=_number, reverse=True)
    return next((path for path in found if read_json(path / TRAINER_STATE_NAME) is not None), None)


def drop_torn(folder: Path, last: Path | None) -> None:
    """Remove the checkpoints after the newest whole one, which were cut off while they were written."""
    newest = -1 if last is None else _number(last)
    for path in folder.glob("checkpoint-*"):
        if _number(path) > newest:
            shutil.rmtree(path, ignore_errors=True)


def settle(last: Path, folder: Path) -> None:
    """Let a checkpoint know where the best one is now: the run may have been moved since it was written.

    The trainer would go on without the best one, and keep the last step instead.

    Raises:
        RunFolderError: The best checkpoint is gone.
    """
    state = read_json(last / TRAINER_STATE_NAME)
    assert state is not None
    best = state.get("best_model_checkpoint")
    if best is None:
        return
    here = folder / Path(best).name
    if not here.is_dir():
        raise RunFolderError(
            f"{OUT} must hold the best checkpoint of the run, {here}; it is gone; delete the folder and run the same "
            "command again."
        )
    write_json(last / TRAINER_STATE_NAME, {**state, "best_model_checkpoint": str(here)})


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def training_arguments(config: HardenConfig, folder: Path, device: torch.device, evaluates: bool) -> TrainingArguments:
    """Translate a configuration for transformers."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size // processes(),
        train_sampling_strategy="sequential",  # the schedule is the order
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(config.warmup * config.steps),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        bf16=config.precision == "bfloat16",
        fp16=config.precision == "float16",
        logging_steps=max(1, config.steps // LOGS),
        eval_strategy="steps" if evaluates else "no",
        eval_steps=config.evaluate_every,
        save_strategy="steps",
        save_steps=config.evaluate_every,
        save_total_limit=2,
        load_best_model_at_end=evaluates,
        restore_callback_states_from_checkpoint=True,  # the count of early stopping
        metric_for_best_model="eval_worst" if evaluates else None,
        greater_is_better=True if evaluates else None,
        dataloader_num_workers=config.num_workers,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        report_to=list(config.report_to) or "none",
        use_cpu=device.type == "cpu",
        disable_tqdm=True,
        seed=config.seed,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one process drives one device
    return arguments
