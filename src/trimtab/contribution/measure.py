"""``contribution``: the Modality Contribution Score of every item."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import product

import torch

from trimtab.contribution.config import ContributionConfig
from trimtab.contribution.perturb import Perturbation, PromptBatch, prompt_batch, scores, segment
from trimtab.contribution.scores import Contribution, Contributions
from trimtab.data import Item, Skipped
from trimtab.data.prompts import MODALITIES, prompt_for
from trimtab.engine import Encoded, encode
from trimtab.engine.memory import first_guess, halving
from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.models import Model

logger = logging.getLogger(__name__)

ROW_COST = 4
"""A perturbed row needs about this many times the memory of a plain one: float32 entries, their noisy copy,
their gradient, and the cache they are joined to."""


def contribution(
    model: Model,
    items: Sequence[Item],
    *,
    instruction: str | None = None,
    config: ContributionConfig | None = None,
    progress: Callable[[int], None] | None = None,
) -> Contributions:
    """Measure how much each modality contributes to the first answer token of each item.

    Algorithm 1 of AMPS (arXiv 2602.12533): Gaussian noise on the cached keys and values of one modality, at all
    layers; the last prompt token is the query; the score is ``|grad L|^2 / L``, summed over the modality's
    entries and averaged over sigmas and draws. The image is its positions in the prompt; the text is the context
    and the question with its options.

    Items whose image is missing, corrupt or not given are left out, logged, and listed in ``.skipped`` of the
    result with their number, counted from 1.

    Args:
        model: The model.
        items: What to measure; an item without context counts its question alone as text.
        instruction: A sentence that names the modality to follow; left out, the prompt is neutral.
        config: Sigmas, draws, seed and divergence.
        progress: Called with the number of items just finished.

    Returns:
        The contributions in the items' order.

    Raises:
        UsageError: There is no item, or a block ``with ...applied(model)`` is open.
    """
    config = config or ContributionConfig()
    if model.ambient:
        raise UsageError(
            f"`model` of contribution must have no edits applied, since it measures the unedited model; "
            f"{len(model.ambient)} blocks of applied edits are open; call it outside of them."
        )
    if not items:
        raise UsageError("`items` of contribution must hold at least one item; got none.")
    prompts, skipped = _prompts(model, items, instruction)
    if skipped and progress:
        progress(len(skipped))
    order = sorted(prompts, key=lambda i: len(prompts[i]))
    found: dict[int, Contribution] = {}

    def measure(start: int, end: int) -> list[Contribution]:
        chosen = order[start:end]
        return _measure(model, [items[i] for i in chosen], [prompts[i] for i in chosen], config)

    if order:
        size = max(1, _rows_that_fit(model, len(prompts[order[-1]])) // 2)
        for start, end, measured in halving(model, size, len(order), measure):
            found.update(zip(order[start:end], measured, strict=True))
            if progress:
                progress(end - start)
    return Contributions((found[i] for i in sorted(found)), skipped)


def _prompts(model: Model, items: Sequence[Item], instruction: str | None) -> tuple[dict[int, Encoded], list[Skipped]]:
    """Encode the items that can be measured, by their place, and list the others."""
    prompts: dict[int, Encoded] = {}
    skipped: list[Skipped] = []
    for i, item in enumerate(items):
        try:
            prompts[i] = encode(model, prompt_for(item, instruction=instruction))
        except (DataError, MissingImageError) as error:
            skipped.append(Skipped(i + 1, f"item {item.id}: {error}"))
            continue
        if not len(segment(prompts[i], "image")):
            del prompts[i]
            skipped.append(Skipped(i + 1, f"item {item.id} has no image, so it has no visual ratio"))
    if skipped:
        logger.warning("Skipped %d of %d items; the first: %s", len(skipped), len(items), skipped[0].reason)
    return prompts, skipped


def _measure(
    model: Model, items: Sequence[Item], prompts: Sequence[Encoded], config: ContributionConfig
) -> list[Contribution]:
    """Score a batch of items on one prefill."""
    batch = prompt_batch(model, prompts)
    wanted = [
        Perturbation(row, modality, sigma, (config.seed, item.id, modality, sigma, draw))
        for row, item in enumerate(items)
        for modality, sigma, draw in product(MODALITIES, config.sigmas, range(config.draws))
    ]
    found = torch.tensor(_in_chunks(model, batch, wanted, config), dtype=torch.float64)
    means = found.view(len(items), len(MODALITIES), -1).mean(-1).tolist()
    return [Contribution.of(i.id, i.task, image, text) for i, (image, text) in zip(items, means, strict=True)]


def _in_chunks(
    model: Model, batch: PromptBatch, wanted: Sequence[Perturbation], config: ContributionConfig
) -> list[float]:
    """Score perturbations in as few passes as memory allows."""

    def score(start: int, end: int) -> list[float]:
        return scores(model, batch, wanted[start:end], config.divergence)

    size = _rows_that_fit(model, batch.prefix.length)
    return [s for _, _, part in halving(model, size, len(wanted), score) for s in part]


def _rows_that_fit(model: Model, length: int) -> int:
    return max(1, (model.batch_size or first_guess(model, length)) // ROW_COST)
