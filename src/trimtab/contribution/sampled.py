"""The sampled score: Gaussian noise on cache entries, one row of a single-token pass for each perturbation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from trimtab.contribution.batch import QueryBatch
from trimtab.contribution.divergence import divergence
from trimtab.contribution.gradients import differentiate, squared_norms
from trimtab.contribution.method import Case
from trimtab.contribution.noise import Draws
from trimtab.contribution.shared_prefix import Noise, SharedPrefix, Trace
from trimtab.contribution.vocabulary import restrict
from trimtab.modalities import Modality
from trimtab.models import Model

if TYPE_CHECKING:
    from trimtab.contribution.options import MCS

SMALLEST_DIVERGENCE = 1e-12
"""Divisor of an answer so certain that its divergence rounds to 0; its gradient is 0 as well."""


def sampled_scores(
    model: Model, cases: Sequence[Case], batch: QueryBatch, config: MCS, draws: Draws
) -> Float64[Tensor, "items modalities draws sigmas steps"]:
    """Compute ``|grad L|^2 / L`` of each perturbation, Algorithm 1 lines 4 to 9 of AMPS (arXiv 2602.12533).

    ``L`` is the divergence of the noisy answer from the clean one, which is computed in the same pass, so that
    rounding moves both alike.

    Args:
        model: The model.
        cases: The items of the batch.
        batch: Their prompts.
        config: Options.
        draws: The noise.

    Returns:
        ``(items, modalities, draws, sigmas, steps)``, in the order of the batch's slots.
    """
    steps = batch.index.shape[1]
    shape = (next(iter(draws.values())).shape[2], len(config.sigmas), steps)
    noise = _noise(batch, config, draws, shape)
    step = torch.arange(steps, device=batch.index.device).repeat(1 + len(batch.slots) * shape[0] * shape[1])
    allowed = batch.allowed if steps == 1 else batch.allowed[:, step]
    prefix = SharedPrefix(batch.keys, batch.values, allowed, tuple(noise.values()))
    with torch.enable_grad():
        logits = prefix.answer(model, batch.ids[:, step], batch.embeds[:, step], batch.positions[:, :, step])
        logits = restrict(logits, model, cases, config)
        noisy = logits[:, steps:].unflatten(1, (len(batch.slots), *shape))
        clean = logits[:, None, None, None, :steps].detach()
        loss = divergence(config.divergence, clean, noisy)
        differentiate(prefix, loss)
    norms = [_norms(prefix.traces, batch, m, noise[m], config) for m in batch.slots]
    return torch.stack(norms, dim=1) / loss.detach().clamp_min(SMALLEST_DIVERGENCE)


def _noise(batch: QueryBatch, config: MCS, draws: Draws, shape: tuple[int, int, int]) -> dict[Modality, Noise]:
    """Give each modality its block of rows after the clean ones, one row for each draw, sigma and step."""
    steps, block = shape[2], math.prod(shape)
    found: dict[Modality, Noise] = {}
    for number, modality in enumerate(batch.slots):
        first, slots = steps + number * block, batch.slots[modality]
        normals = draws[modality][..., : slots.stop - slots.start, :]
        found[modality] = Noise(slice(first, first + block), slots, normals, noise_sizes(batch, modality, config))
    return found


def _norms(
    traces: Sequence[Trace], batch: QueryBatch, modality: Modality, noise: Noise, config: MCS
) -> Float64[Tensor, "items draws sigmas steps"]:
    """Sum the squared gradients that count, with their weights, ``(items, draws, sigmas, steps)``."""
    weights = gradient_weights(batch, noise.sizes, config).permute(2, 0, 1, 3)[:, :, None, :, None]
    squares = squared_norms(traces, noise.rows, seen_slots(batch, modality, config))
    by_sigma = squares.unflatten(2, (-1, len(config.sigmas), batch.index.shape[1]))
    total = (by_sigma * weights.to(squares)).sum((0, -1), dtype=torch.float64).to(batch.index.device)
    return total / summed_over(batch, modality, config)[:, None, None]


def chosen_entries(batch: QueryBatch, config: MCS) -> Float[Tensor, "layers 2"]:
    """Return 1 where a layer's keys or values get noise, else 0, ``(layers, 2)``."""
    chosen = torch.zeros(len(batch.keys), 2)
    layers = range(len(batch.keys)) if config.layers is None else config.layers
    for layer in layers:
        chosen[layer] = torch.tensor([config.entries != "values", config.entries != "keys"], dtype=chosen.dtype)
    return chosen.to(batch.index.device)


def noise_sizes(batch: QueryBatch, modality: Modality, config: MCS) -> Float[Tensor, "items sigmas layers 2"]:
    """Return the noise's standard deviations, ``(items, sigmas, layers, 2)``, 0 where there is no noise."""
    chosen = chosen_entries(batch, config)
    sigmas = torch.tensor(config.sigmas, device=chosen.device)[:, None, None]
    return (sigmas * (entry_scales(batch, modality, config) * chosen)[:, None]).to(batch.keys[0].dtype)


def entry_scales(batch: QueryBatch, modality: Modality, config: MCS) -> Float[Tensor, "items layers 2"]:
    """Return what a sigma is a share of, ``(items, layers, 2)``: the entries' standard deviation, or 1."""
    device, slots = batch.index.device, batch.slots[modality]
    if config.scale == "absolute":
        return torch.ones(len(batch.index), len(batch.keys), 2, device=device)
    exists = batch.tokens[:, slots] >= 0

    def own(layers: tuple[Tensor, ...]) -> Tensor:
        return torch.stack([entries[:, :, slots].to(device) for entries in layers], dim=1)

    return torch.stack([_deviation(own(layers), exists) for layers in (batch.keys, batch.values)], dim=-1)


def gradient_weights(
    batch: QueryBatch, sizes: Float[Tensor, "items sigmas layers 2"], config: MCS
) -> Float[Tensor, "items sigmas layers 2"]:
    """Return what each squared gradient counts, ``(items, sigmas, layers, 2)``, under noise of some sizes."""
    if config.constant == "half_variance":
        return sizes.square() / 2
    counted = torch.ones_like(sizes) if config.counts_whole_cache else chosen_entries(batch, config).expand_as(sizes)
    return counted / 2 if config.constant == "half" else counted


def summed_over(batch: QueryBatch, modality: Modality, config: MCS) -> Float[Tensor, "items steps"]:
    """Return the divisor of the summed squares, ``(items, steps)``: how many tokens or entries, or 1."""
    if config.normalise == "none":
        return torch.ones(batch.index.shape, device=batch.index.device)
    full = config.counts_whole_cache
    tokens = batch.index if full else batch.count(modality)[:, None].expand(-1, batch.index.shape[1])
    if config.normalise == "entries":
        kinds = 2 * len(batch.keys) if full else int(chosen_entries(batch, config).sum())
        tokens = tokens * kinds * batch.keys[0].shape[1] * batch.keys[0].shape[3]
    return tokens.clamp_min(1).double()


def seen_slots(batch: QueryBatch, modality: Modality, config: MCS) -> slice:
    """Return the slots whose gradients count."""
    return slice(0, batch.tokens.shape[1]) if config.counts_whole_cache else batch.slots[modality]


def _deviation(entries: Tensor, exists: Tensor) -> Tensor:
    """Return the standard deviation of the entries that exist, ``(items, layers)``.

    Args:
        entries: ``(items, layers, kv_heads, slots, head_dim)``; changed in place.
        exists: Which slots hold some, ``(items, slots)``.
    """
    over, numbers = (2, 3, 4), entries.shape[2] * entries.shape[4]
    count = (exists.sum(1) * numbers).clamp_min(1)[:, None]
    empty = ~exists[:, None, None, :, None]
    padded = bool(empty.any())
    entries = entries.masked_fill_(empty, 0) if padded else entries
    entries -= (entries.sum(over) / count)[..., None, None, None]
    entries = entries.masked_fill_(empty, 0) if padded else entries
    return torch.linalg.vector_norm(entries, dim=over) / count.sqrt()
