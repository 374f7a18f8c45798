"""Noise on the cache entries of one modality, many perturbations in one forward and backward pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.contribution.config import Divergence
from trimtab.contribution.divergence import divergence
from trimtab.data.prompts import MODALITIES, Modality
from trimtab.engine import Encoded, Piece, Prefix, prefill
from trimtab.engine.applied import engine_drives
from trimtab.engine.batch import Batch, collate
from trimtab.models import Model

SMALLEST_DIVERGENCE = 1e-12
"""Divisor of an answer so certain that its divergence rounds to 0; its gradient is 0 as well."""


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """Prompts computed once up to their last token, which is the query.

    Attributes:
        prefix: Keys and values of all tokens but the last of each prompt.
        query: The last prompt tokens, ``(rows, 1)``.
        segments: For each row and modality, its places along the padded prefix.
        logits: Clean next-token logits, ``(rows, vocabulary)``, float32.
    """

    prefix: Prefix
    query: Batch
    segments: list[dict[Modality, Tensor]]
    logits: Tensor


@dataclass(frozen=True)
class Perturbation:
    """One noise draw on one modality of one prompt.

    Attributes:
        row: The prompt's row in its batch.
        modality: The modality whose entries get noise.
        sigma: Size of the noise, relative to the standard deviation of the entries.
        key: What seeds the noise.
    """

    row: int
    modality: Modality
    sigma: float
    key: tuple[int | float | str, ...]


@torch.no_grad()
def prompt_batch(model: Model, prompts: Sequence[Encoded]) -> PromptBatch:
    """Prefill prompts and answer them cleanly."""
    prefix = prefill(model, [Piece(p, 0, len(p) - 1) for p in prompts])
    query = collate(model, [Piece(p, len(p) - 1, len(p)) for p in prompts])
    segments: list[dict[Modality, Tensor]] = [
        {m: segment(p, m) + prefix.length - (len(p) - 1) for m in MODALITIES} for p in prompts
    ]
    return PromptBatch(prefix, query, segments, _answer(model, prefix, query))


def segment(prompt: Encoded, modality: Modality) -> Tensor:
    """Return the token indices of a modality, ``(n,)``, without the query token.

    The text is what the user asks about: context and question with its options. An instruction is not part of
    it, so that scores with and without one cover the same tokens; nor are the template's own tokens.
    """
    names = ("image",) if modality == "image" else ("context", "question")
    places = torch.cat([prompt.spans[name] for name in names if name in prompt.spans])
    return places[places < len(prompt) - 1]


def scores(model: Model, batch: PromptBatch, perturbations: Sequence[Perturbation], kind: Divergence) -> list[float]:
    """Compute ``|grad L|^2 / L`` of each perturbation, Algorithm 1 lines 4 to 9 of AMPS (arXiv 2602.12533).

    ``L`` is the divergence of the noisy answer from the clean one. The gradient is with respect to the noisy
    keys and values of all layers, restricted to the entries that got the noise. These are kept in float32
    whatever the model computes in.

    Args:
        model: The model.
        batch: The prompts.
        perturbations: One row of the pass each.
        kind: The divergence.

    Returns:
        The scores, one for each perturbation.
    """
    which = torch.tensor([p.row for p in perturbations], device=batch.logits.device)
    clean = batch.prefix.rows(which)
    keys, values = _noisy_entries(batch, perturbations, clean)
    leaves = [entries.requires_grad_() for entries in (*keys, *values)]
    with torch.enable_grad():
        noisy = Prefix(
            tuple(k.to(model.dtype) for k in keys),
            tuple(v.to(model.dtype) for v in values),
            clean.mask,
            clean.index,
        )
        loss = divergence(kind, batch.logits[which], _answer(model, noisy, _rows(batch.query, which)))
        gradients = torch.autograd.grad(loss.sum(), leaves, materialize_grads=True)
    inside = _segment_mask(batch, perturbations)
    squares = [(g.square().sum((1, 3)).to(inside.device) * inside).sum(-1) for g in gradients]
    norm = torch.stack(squares).double().sum(0)
    return (norm / loss.detach().clamp_min(SMALLEST_DIVERGENCE)).tolist()


def standard_normal(shape: Sequence[int], key: Sequence[int | float | str]) -> Tensor:
    """Draw standard normal float32 numbers that depend on the shape and the key alone."""
    digest = hashlib.sha256(json.dumps(list(key)).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randn(*shape, generator=generator)


def _answer(model: Model, prefix: Prefix, query: Batch) -> Tensor:
    """Return next-token logits after the query, ``(rows, vocabulary)``, float32."""
    mask = torch.cat([prefix.mask, query.mask], dim=1)
    with engine_drives(model):
        hidden = model.decode(query.embeds, mask, query.positions, prefix.cache())
    return model.lm_head(hidden[:, -1]).float()


def _rows(query: Batch, which: Tensor) -> Batch:
    return Batch(query.embeds[which], query.mask[which], query.positions[:, which], query.index[which])


def _noisy_entries(
    batch: PromptBatch, perturbations: Sequence[Perturbation], clean: Prefix
) -> tuple[list[Tensor], list[Tensor]]:
    """Return copies of the keys and of the values by layer, in float32, noise added."""
    keys, values = [k.float().clone() for k in clean.keys], [v.float().clone() for v in clean.values]
    _, heads, _, width = clean.keys[0].shape
    for row, p in enumerate(perturbations):
        places = batch.segments[p.row][p.modality]
        noise = standard_normal((2, len(keys), heads, len(places), width), p.key)
        for kind, layers in enumerate((keys, values)):
            for layer, entries in enumerate(layers):
                own = entries[row][:, places]
                size = p.sigma * own.std(correction=0)
                entries[row][:, places] = own + size * noise[kind, layer].to(own.device)
    return keys, values


def _segment_mask(batch: PromptBatch, perturbations: Sequence[Perturbation]) -> Tensor:
    """Return True at the entries with noise, ``(perturbations, prefix length)``."""
    inside = torch.zeros(len(perturbations), batch.prefix.length, dtype=torch.bool, device=batch.logits.device)
    for row, p in enumerate(perturbations):
        inside[row, batch.segments[p.row][p.modality]] = True
    return inside
