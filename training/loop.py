"""The training loop both stages share: seeded by step, logged, resumable."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

Loss = Callable[[int], tuple[Tensor | float, dict[str, float]]]


def _optimizers(modules: dict[str, nn.Module], rates: dict[str, float], muon: bool) -> list[torch.optim.Optimizer]:
    """Muon, if asked for, for the matrices inside, which from scratch learn twice as fast; AdamW for all else."""
    inner, outer = [], []
    for piece, rate in rates.items():
        named = [
            (f"{part}.{name}", parameter)
            for part, module in modules.items()
            for name, parameter in module.named_parameters()
        ]
        mine = [(n, p) for n, p in named if next(key for key in rates if key in n) == piece]
        matrices = [p for n, p in mine if muon and p.ndim == 2 and (".layers." in n or ".blocks." in n)]
        known = {id(p) for p in matrices}
        inner.append({"params": matrices, "lr": rate})
        outer.append({"params": [p for _, p in mine if id(p) not in known], "lr": rate})
    others = torch.optim.AdamW(outer, betas=(0.9, 0.98), weight_decay=0.02)
    return [torch.optim.Muon(inner, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"), others] if muon else [others]


class Run:
    """One stage of training in a folder: `log.jsonl` and the newest `state.pt`.

    Everything random must be drawn from the step number, so that a resumed run takes the same steps.

    Args:
        folder: Where log and state go.
        modules: What is trained, by name.
        rates: Peak learning rate of each module part, by a piece of its parameters' names ("" for all).
        steps: Number of steps of the whole stage.
        warmup: Steps of linear warm-up; a cosine to a tenth follows.
        muon: Train the matrices of blocks and layers by Muon, as suits weights that start at random.

    Raises:
        ValueError: The folder's state is of a run with other settings.
    """

    def __init__(
        self,
        folder: Path,
        modules: dict[str, nn.Module],
        rates: dict[str, float],
        steps: int,
        warmup: int,
        muon: bool = True,
    ):
        self.folder, self.modules, self.steps, self.warmup = folder, modules, steps, warmup
        self.settings = {"rates": rates, "steps": steps, "warmup": warmup}
        folder.mkdir(parents=True, exist_ok=True)
        self.optimizers = _optimizers(modules, rates, muon)
        self.peaks = [group["lr"] for optimizer in self.optimizers for group in optimizer.param_groups]
        self.step, self.ended = 0, False
        if self.state_file.exists():
            self._load()

    @property
    def state_file(self) -> Path:
        """The newest complete state."""
        return self.folder / "state.pt"

    def train(self, loss: Loss, save_every: int = 200, after_save: Callable[[int], object] | None = None) -> None:
        """Take the remaining steps.

        Args:
            loss: Computes, for a step number, gradients' source: either a loss still to be
                differentiated, or a number when it has called `backward` itself; and values to log.
            save_every: Steps between saved states.
            after_save: Called after each save; returning something true ends the stage early.
        """
        while self.step < self.steps and not self.ended:
            start = time.perf_counter()
            self._set_rate()
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            value, record = loss(self.step)
            if isinstance(value, Tensor):
                value.backward()
                value = float(value.detach())
            norm = nn.utils.clip_grad_norm_([p for m in self.modules.values() for p in m.parameters()], 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
            self.step += 1
            self.log(
                {"step": self.step, "loss": value, "norm": float(norm), **record, "s": time.perf_counter() - start}
            )
            if self.step % save_every == 0 or self.step == self.steps:
                self._save()
                if after_save and after_save(self.step):
                    self.ended = True
                    self._save()

    def log(self, record: dict[str, float]) -> None:
        """Append one line to the log."""
        rounded = {key: round(value, 5) if isinstance(value, float) else value for key, value in record.items()}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(rounded) + "\n")

    def _set_rate(self) -> None:
        progress = max(0, self.step - self.warmup) / max(1, self.steps - self.warmup)
        factor = min(1.0, (self.step + 1) / self.warmup) * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, self.peaks, strict=True):
            group["lr"] = peak * factor

    def _save(self) -> None:
        state = {name: module.state_dict() for name, module in self.modules.items()}
        partial = self.state_file.with_suffix(".partial")
        torch.save(
            {
                "step": self.step,
                "ended": self.ended,
                "settings": self.settings,
                "modules": state,
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            },
            partial,
        )
        partial.replace(self.state_file)

    def _load(self) -> None:
        state = torch.load(self.state_file, weights_only=True, map_location="cpu")
        if state.get("settings") != self.settings:
            raise ValueError(
                f"`folder` of Run must be new or hold a state of the same settings, {self.settings}; {self.state_file} "
                f"has {state.get('settings')}; take another folder, or delete that file to start the stage again."
            )
        self.step, self.ended = state["step"], state.get("ended", False)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
