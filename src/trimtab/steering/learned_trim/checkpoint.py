"""Training that was stopped goes on from the last finished epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from trimtab.errors import UsageError
from trimtab.files import write_whole
from trimtab.steering.learned_trim.networks import copied, put

OWNER = "`checkpoint` of LearnedTrim"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class TrainingState:
    """How far training has come.

    Attributes:
        best: Weights of the best epoch so far.
        epoch: Epochs done.
        loss: Lowest held-out loss so far.
        best_epoch: The epoch that had it, from 1.
        held_out: The held-out loss of that epoch by kind of lesson.
    """

    best: dict[str, Tensor]
    epoch: int = 0
    loss: float = math.inf
    best_epoch: int = 0
    held_out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A file, or nothing.

    Attributes:
        path: The file; None keeps nothing.
        made_of: Digest of all that decides how training goes.
    """

    path: Path | None
    made_of: str

    def resumed(self, weights: Mapping[str, Tensor], adam: torch.optim.Optimizer) -> TrainingState:
        """Put back what the file holds, and return how far training had come; the beginning without a file.

        Raises:
            UsageError: The file is of another training, or is none.
        """
        if self.path is None or not self.path.exists():
            return TrainingState(copied(weights))
        try:
            with safe_open(self.path, framework="pt") as file:
                known: dict[str, Any] = json.loads((file.metadata() or {})["state"])
                kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise UsageError(f"{OWNER} must be a file that training wrote; {self.path} is none; delete it.") from error
        if known.pop("made_of") != self.made_of:
            raise UsageError(
                f"{OWNER} must be of the same model, items and options; {self.path} is of others; delete it, or name "
                "another file."
            )
        put(weights, {name: kept[f"now.{name}"] for name in weights})
        for name, weight in weights.items():
            moments = {moment: kept[f"{moment}.{name}"].to(weight.device) for moment in MOMENTS}
            adam.state[weight] = {"step": kept[f"step.{name}"], **moments}
        best = {name: kept[f"best.{name}"].to(weight.device) for name, weight in weights.items()}
        return TrainingState(best, **known)

    def write(self, state: TrainingState, weights: Mapping[str, Tensor], adam: torch.optim.Optimizer) -> None:
        """Write all that is needed to go on.

        Raises:
            RunFolderError: The disk refuses.
        """
        if self.path is None:
            return
        tensors = {f"best.{name}": tensor for name, tensor in state.best.items()}
        for name, weight in weights.items():
            own = adam.state[weight]
            tensors |= {f"now.{name}": weight.detach(), f"step.{name}": own["step"]}
            tensors |= {f"{moment}.{name}": own[moment] for moment in MOMENTS}
        about = {name: value for name, value in vars(state).items() if name != "best"}
        metadata = {"state": json.dumps({"made_of": self.made_of, **about})}
        ready = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        write_whole(self.path, lambda part: save_file(ready, part, metadata), owner=OWNER)
