"""Noise on input embeddings, as functional entropy was first estimated (Gat et al., NeurIPS 2020, arXiv 2010.10802)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.contribution.batch import Continued, blocks_alone
from trimtab.contribution.divergence import divergence
from trimtab.contribution.method import Case
from trimtab.contribution.noise import NoisePool
from trimtab.contribution.sampled import SMALLEST_DIVERGENCE
from trimtab.contribution.spans import segment
from trimtab.contribution.vocabulary import restrict
from trimtab.engine.local.whitebox import Batch, Piece, collate, engine_drives
from trimtab.modalities import Modality
from trimtab.models import Model

if TYPE_CHECKING:
    from trimtab.contribution.options import MCS


def embedding_scores(
    model: Model,
    cases: Sequence[Case],
    asked: Sequence[Continued],
    config: MCS,
    pool: NoisePool,
) -> list[Tensor]:
    """Score every perturbation of input embeddings, each by a full forward and backward pass of all items.

    Returns:
        For each item ``(modalities, draws, sigmas, steps)``, in the order of its modalities.
    """
    modalities = cases[0].modalities
    batch = collate(model, [Piece(a.prompt, 0, len(a.prompt)) for a in asked])
    embeds = batch.embeds.to(torch.promote_types(model.dtype, torch.float32))
    steps = [a.steps for a in asked]
    with torch.no_grad():
        clean = _answers(model, cases, batch, embeds, max(steps), config)
    found = torch.empty(len(asked), len(modalities), config.draws, len(config.sigmas), max(steps), dtype=torch.float64)
    for place, modality in enumerate(modalities):
        inside = _inside(asked, batch, modality, config)
        scale = _scale(embeds, inside, config)
        draws = torch.cat([noise[modality] for noise in pool.chunks()])
        for draw, normals in enumerate(draws):
            spread = _spread(normals.to(embeds), inside)
            for number, sigma in enumerate(config.sigmas):
                size = sigma * scale
                leaf = (embeds + size[:, None, None] * spread).requires_grad_()
                with torch.enable_grad():
                    noisy = _answers(model, cases, batch, leaf, max(steps), config)
                    loss = divergence(config.divergence, clean, noisy)
                for step in range(max(steps)):
                    (gradient,) = torch.autograd.grad(loss[:, step].sum(), leaf, retain_graph=step + 1 < max(steps))
                    norm = _norm(gradient, inside, batch, size, config)
                    floor = loss[:, step].detach().clamp_min(SMALLEST_DIVERGENCE)
                    found[:, place, draw, number, step] = (norm / floor).cpu()
    return [values[..., max(steps) - n :] for values, n in zip(found, steps, strict=True)]


def _answers(model: Model, cases: Sequence[Case], batch: Batch, embeds: Tensor, steps: int, config: MCS) -> Tensor:
    """Return the logits after the last ``steps`` tokens of each row, ``(items, steps, vocabulary)``."""
    with engine_drives(model):
        extras = blocks_alone(batch)
        hidden = model.decode(embeds.to(model.dtype), batch.mask, batch.positions, extras=extras)[:, -steps:]
    return restrict(model.logits(hidden).to(embeds.dtype), model, cases, config)


def _inside(asked: Sequence[Continued], batch: Batch, modality: Modality, config: MCS) -> Tensor:
    """Return True at the modality's tokens, ``(items, length)``."""
    inside = torch.zeros_like(batch.index, dtype=torch.bool)
    for row, a in enumerate(asked):
        places = segment(a.alone, modality, config.text)
        inside[row, places + batch.index.shape[1] - len(a.prompt)] = True
    return inside


def _spread(normals: Tensor, inside: Tensor) -> Tensor:
    """Put the numbers of a draw, ``(tokens, hidden)``, at each item's tokens in turn, ``(items, length, hidden)``."""
    number = (inside.cumsum(1) - 1).clamp_min(0)
    return normals[number] * inside[..., None]


def _scale(embeds: Tensor, inside: Tensor, config: MCS) -> Tensor:
    """Return what a sigma is a share of, ``(items,)``."""
    if config.scale == "absolute":
        return embeds.new_ones(len(embeds))
    return torch.stack([row[own].std(correction=0) for row, own in zip(embeds, inside, strict=True)])


def _norm(gradient: Tensor, inside: Tensor, batch: Batch, size: Tensor, config: MCS) -> Tensor:
    """Sum the squared gradients that count, with their weights, ``(items,)``."""
    counted = batch.mask.bool() if config.counts_whole_cache else inside
    norm = (gradient.square().sum(-1).double() * counted).sum(1)
    if config.constant != "none":
        norm = norm * (0.5 if config.constant == "half" else size.double().square() / 2)
    if config.normalise == "none":
        return norm
    return norm / (counted.sum(1) * (gradient.shape[-1] if config.normalise == "entries" else 1))
