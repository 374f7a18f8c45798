"""The objective of hardening as one module: ``L_sft + L_adv + weight * L_consistency``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.module import _IncompatibleKeys

from trimtab.errors import ArtifactError, UsageError
from trimtab.interference.hardening.attack import attack
from trimtab.interference.hardening.config import AttackConfig, HardenConfig
from trimtab.interference.hardening.consistency import divergence
from trimtab.interference.hardening.processes import of_all
from trimtab.interference.hardening.rows import Rows, make_rows
from trimtab.interference.hardening.schedule import Group
from trimtab.interference.hardening.sharding import gathered, spread_like
from trimtab.models import Model


class Objective(nn.Module):
    """Computes the loss of groups of views (arXiv 2505.19616).

    It drives the text decoder by itself, with explicit positions and only the logits that predict an answer, and is
    the module that a Trainer trains: its parameters are the model's, its state is what is trained.

    Attributes:
        parts: The loss's parts of the last call, each weighted by its share in a step.
    """

    def __init__(self, model: Model, config: HardenConfig, letters: Sequence[int]) -> None:
        """Wrap a model whose trainable parameters want gradients already.

        Args:
            model: The model.
            config: The parts of the objective.
            letters: Token of each option's letter; see ``written_letters``.

        Raises:
            UsageError: The decoder has attention dropout, which consistency would measure.
        """
        super().__init__()
        if getattr(model.text_config, "attention_dropout", 0.0):
            raise UsageError(
                f"`attention_dropout` of {model.name} must be 0 while it is hardened, or consistency would measure "
                f"dropout; it is {model.text_config.attention_dropout}."
            )
        self.model = model
        self.hf = model.hf
        self.settings = config  # not `config`: a Trainer writes to that of a model
        self.letters = list(letters)
        self.parts: dict[str, float] = {}
        self.tokens: dict[str, int] = {"seen": 0, "attacked": 0}

    def train(self, mode: bool = True) -> Objective:
        """Switch to training, but for dropout, whose noise consistency would measure."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        return self

    def state_dict(self, *_args: object, **_kwargs: object) -> dict[str, Tensor]:
        """Return what is trained, and nothing else: the state of a checkpoint; see ``gathered`` for what is spread."""
        return {name: gathered(p.detach()) for name, p in self._trained().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], *_args: object, **_kwargs: object) -> _IncompatibleKeys:
        """Put back what is trained; a state of other weights raises, as it would for a whole module."""
        trained = self._trained()
        spread = {name: spread_like(value, trained.get(name)) for name, value in state_dict.items()}
        found = super().load_state_dict(spread, strict=False)
        missing = [name for name in trained if name not in state_dict]
        if missing or found.unexpected_keys:
            raise ArtifactError(
                f"the checkpoint must hold the {len(trained)} tensors that are trained; it lacks "
                f"{len(missing)} and has {len(found.unexpected_keys)} others; delete it to start again."
            )
        return _IncompatibleKeys([], [])

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def forward(self, groups: Sequence[Group], share: float = 1.0) -> Float[Tensor, ""]:
        """Return ``share`` times the mean loss of the groups.

        Args:
            groups: The groups.
            share: Their share of a step's items, so that the micro-batches of a step add up to its mean.
        """
        attack_config = self.settings.attack or AttackConfig()
        rows = make_rows(self.model, groups, self.letters, attack_config.text)
        weights = _row_weights(rows)
        logits = self._logits(rows, rows.embeds)
        parts = {"sft": (weights * _cross_entropy(logits, rows.targets)).sum()}
        answers, owners, clean = [logits[:, 0][~rows.clean]], [rows.group[~rows.clean]], logits[:, 0][rows.clean]
        self.tokens["seen"] += rows.tokens
        hit = rows.attacked.any(-1).nonzero().flatten()
        if self.settings.attack is not None and self._anywhere(len(hit)):
            struck = rows.select(hit) if len(hit) else rows.any_one()  # others need this process's part of each layer
            attacked = self._logits(struck, struck.embeds + self._attack(struck, self.settings.attack))
            if not len(hit):
                attacked, struck = attacked[:0], struck.select(hit)
            parts["adversarial"] = (weights[hit] * _cross_entropy(attacked, struck.targets)).sum()
            answers.append(attacked[:, 0])
            owners.append(struck.group)
            self.tokens["attacked"] += struck.tokens
        if self.settings.consistency != "none":
            found = self._consistency(torch.cat(answers), torch.cat(owners), clean)
            parts["consistency"] = self.settings.weight * found
        self.parts = {name: share * float(part.detach()) for name, part in parts.items()}
        return share * torch.stack(list(parts.values())).sum()

    def _anywhere(self, hit: int) -> bool:
        """Whether there is a row to attack here or, where layers are shared out, in any process."""
        return any(of_all(hit)) if self.settings.shard else hit > 0

    def _attack(self, rows: Rows, config: AttackConfig) -> Tensor:
        def losses(embeds: Tensor) -> Tensor:
            return _cross_entropy(self._logits(rows, embeds), rows.targets)

        return attack(losses, rows.embeds, rows.attacked, config, rows.seeds)

    def _consistency(self, answers: Tensor, owners: Tensor, clean: Tensor) -> Tensor:
        """Average over each item's other views, then over items; the clean view of each is its anchor."""
        if not len(owners):
            return answers.sum() * 0.0
        found = divergence(self.settings.consistency, answers, clean[owners])
        counts = torch.bincount(owners, minlength=len(clean)).clamp_min(1)
        return (found / counts[owners]).sum() / len(clean)

    def _logits(self, rows: Rows, embeds: Float[Tensor, "rows length hidden"]) -> Float[Tensor, "rows 2 vocabulary"]:
        """Return the logits that predict the letter and the end, ``(rows, 2, vocabulary)``, and compute no others."""
        with self._float32_stream():
            hidden = self.model.decode(embeds, rows.mask, rows.positions, extras=rows.extras)
            row = torch.arange(len(embeds), device=hidden.device)[:, None]
            at = rows.answer_at[:, None] + torch.arange(2, device=hidden.device)
            return self.model.logits(hidden[row, at])

    def _float32_stream(self) -> AbstractContextManager[Any]:
        """Keep the residual stream in float32 under weights of low precision, which would round a change away."""
        if self.model.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.model.device.type, self.model.dtype)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return each row's mean loss over its answer's tokens, ``(rows,)``."""
    losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view_as(targets).mean(-1)


def _row_weights(rows: Rows) -> Tensor:
    """Give every item the same weight, shared by its views: a family with more views does not weigh more."""
    counts = torch.bincount(rows.group)
    return 1.0 / (counts[rows.group] * len(counts))
