"""What noise on cached entries does to an answer: its divergence, its gradient, and where the query then looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trimtab import Item, Model
from trimtab.contribution import MCS, Contributions
from trimtab.contribution.batch import Continued, QueryBatch, query_batch
from trimtab.contribution.divergence import divergence
from trimtab.contribution.gradients import differentiate, squared_norms
from trimtab.contribution.measuring import ask
from trimtab.contribution.method import Case
from trimtab.contribution.noise import NoisePool
from trimtab.contribution.ranks import auroc, spearman
from trimtab.contribution.sampled import SMALLEST_DIVERGENCE, chosen_entries, noise_sizes
from trimtab.contribution.shared_prefix import Noise, SharedPrefix, Trace
from trimtab.modalities import PAIR, Modality

ITEMS_AT_ONCE = 16
Told = dict[str, list[float]]
"""By what is measured, the image's and then the text's, item by item: ``kl/image`` and so on."""


def noisy(sigma: float, draws: int, **options: Any) -> MCS:
    """Return the settings of a reading under KL, with the context alone as the text, so that it can rule an answer."""
    return MCS(divergence="kl", estimator="sampled", text="context", sigmas=(sigma,), draws=draws, **options)


class HeldAttention(SharedPrefix):
    """Noise may move attention about inside a modality, but each head pays the modality as much as without noise."""

    def prefix_scores(self, layer: int, queries: Tensor) -> Tensor:
        """Shift the noisy scores of each modality so that their exponentials sum to what they do without noise."""
        scores = super().prefix_scores(layer, queries)
        clean = SharedPrefix(self.keys, self.values, self.allowed).prefix_scores(layer, queries)
        shift = torch.zeros_like(scores)
        for noise in self.noise:
            place = (slice(None), slice(None), noise.rows, slice(None), noise.slots)
            before, after = (own[place].logsumexp(-1, keepdim=True) for own in (clean, scores))
            shift[place] = before - after
        return scores + shift

    def of_queries(self, layer: int, trace: Trace, gradient: Tensor) -> Tensor:
        """Return the gradient of a layer's queries, that of the shift among it."""
        with torch.enable_grad():
            queries = trace.queries.detach().requires_grad_()
            return torch.autograd.grad(self.prefix_scores(layer, queries), queries, gradient)[0]


def under_noise(model: Model, items: Sequence[Item], config: MCS, kind: type[SharedPrefix] = SharedPrefix) -> Told:
    """Put noise on one modality's entries at a time.

    Args:
        model: The model.
        items: The items.
        config: The noise.
        kind: How the query attends to noisy entries.

    Returns:
        For each item and modality, averaged over draws: ``kl`` of the answer, ``gradient``, its squared gradient by
        the noisy entries, ``score``, the mean of their quotient, ``attention`` of the query to the modality under the
        noise, and ``clean``, without.
    """
    cases, _ = ask(model, items, config)
    told: Told = {}
    for start in range(0, len(cases), ITEMS_AT_ONCE):
        for name, values in _probe(model, cases[start : start + ITEMS_AT_ONCE], config, kind).items():
            told.setdefault(name, []).extend(values.tolist())
    return told


def _probe(model: Model, cases: Sequence[Case], config: MCS, kind: type[SharedPrefix]) -> dict[str, Tensor]:
    batch = _batch(model, cases, config)
    longest: dict[Modality, int] = {m: batch.slots[m].stop - batch.slots[m].start for m in PAIR}
    draws = next(iter(NoisePool(model, config, longest, config.draws).chunks()))
    noise = {
        m: Noise(
            slice(1 + k * config.draws, 1 + (k + 1) * config.draws),
            batch.slots[m],
            draws[m][..., : longest[m], :],
            noise_sizes(batch, m, config),
        )
        for k, m in enumerate(PAIR)
    }
    prefix = kind(batch.keys, batch.values, batch.allowed, tuple(noise.values()))
    with torch.enable_grad():
        logits = _answers(model, prefix, batch, 1 + len(PAIR) * config.draws)
        loss = divergence("kl", logits[:, :1].detach(), logits)
        differentiate(prefix, loss[:, 1:])
    found, chosen, loss = {}, chosen_entries(batch, config), loss.detach()
    for m, own in noise.items():
        squares = (squared_norms(prefix.traces, own.rows, own.slots) * chosen[:, None, None]).sum((0, -1))
        looked = torch.stack([trace.attention[..., own.slots].sum(-1).mean((1, 3)) for trace in prefix.traces]).mean(0)
        found |= {
            f"kl/{m}": loss[:, own.rows].mean(1),
            f"gradient/{m}": squares.mean(1),
            f"score/{m}": (squares / loss[:, own.rows].clamp_min(SMALLEST_DIVERGENCE)).mean(1),
            f"attention/{m}": looked[:, own.rows].mean(1),
            f"clean/{m}": looked[:, 0],
        }
    return found


def hidden(model: Model, items: Sequence[Item], share: float, draws: int = 4) -> Told:
    """Hide a share of one modality's entries from the query; ``kl`` of the answer, averaged over random choices."""
    config, told = noisy(1.0, 1), {}
    cases, _ = ask(model, items, config)
    draws = draws if share < 1 else 1
    for start in range(0, len(cases), ITEMS_AT_ONCE):
        batch = _batch(model, cases[start : start + ITEMS_AT_ONCE], config)
        rows = 1 + len(PAIR) * draws
        allowed = batch.allowed.expand(-1, rows, -1).clone()
        generator = torch.Generator().manual_seed(0)
        for k, m in enumerate(PAIR):
            own = slice(1 + k * draws, 1 + (k + 1) * draws)
            kept = torch.rand(allowed[:, own, batch.slots[m]].shape, generator=generator) >= share
            allowed[:, own, batch.slots[m]] &= kept.to(allowed.device)  # drawn on the CPU, so a GPU hides the same
        with torch.no_grad():
            logits = _answers(model, SharedPrefix(batch.keys, batch.values, allowed), batch, rows)
            loss = divergence("kl", logits[:, :1].expand_as(logits), logits)
        for k, m in enumerate(PAIR):
            told.setdefault(f"kl/{m}", []).extend(loss[:, 1 + k * draws : 1 + (k + 1) * draws].mean(1).tolist())
    return told


def _batch(model: Model, cases: Sequence[Case], config: MCS) -> QueryBatch:
    return query_batch(model, [Continued.of(case.encoded) for case in cases], config.text, PAIR)


def _answers(model: Model, prefix: SharedPrefix, batch: QueryBatch, rows: int) -> Tensor:
    step = torch.zeros(rows, dtype=torch.long)
    return prefix.answer(model, batch.ids[:, step], batch.embeds[:, step], batch.positions[:, :, step])


def shares(told: Told, what: str) -> list[float]:
    """Return the image's share of something, item by item."""
    image, text = (np.array(told[f"{what}/{m}"]) for m in PAIR)
    return (image / (image + text)).tolist()


def rated(ratios: Sequence[float], image: Sequence[bool | None], effect: Sequence[float]) -> dict[str, Any]:
    """Say how well shares tell the answers from the image from those from the text, and how they go with Shapley's.

    Args:
        ratios: The image's share in each item.
        image: Whether the answer was the image's; None if it was neither's.
        effect: The image's share of Shapley values.
    """
    kept = [k for k, own in enumerate(image) if own is not None and np.isfinite(ratios[k])]
    area = auroc([ratios[k] for k in kept], [bool(image[k]) for k in kept])
    both = [k for k, own in enumerate(effect) if np.isfinite(own) and np.isfinite(ratios[k])]
    rho = spearman([ratios[k] for k in both], [effect[k] for k in both])
    return {"auroc": area.value, "low": area.low, "high": area.high, "n": area.n, "rho": rho}


def effects(found: Contributions, items: Sequence[Item]) -> list[float]:
    """Return the image's share of each item in the items' order; NaN where it was not measured."""
    known = {c.item_id: c.ratio for c in found}
    return [known.get(item.id, float("nan")) for item in items]
