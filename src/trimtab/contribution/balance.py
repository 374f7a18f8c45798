"""The balance point: which modality a model prefers where it is equally sure of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from trimtab.divergences import entropy
from trimtab.engine import ModelOrEngine, Prompt, generate, run
from trimtab.errors import UsageError
from trimtab.items import Item, judge
from trimtab.items.admission import admit_items
from trimtab.items.prompts import prompt_for
from trimtab.modalities import PAIR
from trimtab.progress import SILENT, Progress

DRAWS = 2000
"""Bootstrap samples of the interval."""
ROUNDS = 25
"""Newton steps of the logistic fit."""
RIDGE = 1e-3
"""Penalty of the slope, in nats, so that items that a threshold tells apart have a finite fit."""
ITEMS = "`items` of find_balance"


@dataclass(frozen=True, eq=False)
class Balance:
    """Where a model follows image and text equally often.

    Attributes:
        point: Relative uncertainty at which it does: below 0 it prefers the image, above it the text. None if the
            chance to follow the text does not fall with the text's uncertainty, so that there is no such point.
        low: Lower end of the 95 % bootstrap interval over items; None without a point.
        high: Upper end.
        slope: Change of the log odds of following the text by one unit of relative uncertainty.
        falling: Share of bootstrap samples in which the slope is negative.
        n: Items that count.
        relative: Their relative uncertainties, ``(n,)``, in -2..2.
        follows_text: Whether the text is followed, else the image, ``(n,)``.
    """

    point: float | None
    low: float | None
    high: float | None
    slope: float
    falling: float
    n: int
    relative: Float[Tensor, " n"]
    follows_text: Bool[Tensor, " n"]


def find_balance(model: ModelOrEngine, items: Sequence[Item], progress: Progress = SILENT, *, seed: int = 0) -> Balance:
    """Find the balance point of a model on conflict items (arXiv 2511.02243).

    With ``H_t`` the entropy of the first answer token given the text alone, and ``H_v`` given the image alone, the
    relative uncertainty of an item is ``2 (H_t - H_v) / (H_t + H_v)``. As in the paper, items count that the model
    answers by each modality alone as that modality says, and by both together as one of them says. The paper reads the
    point at which half follow the text off a curve; here it is that of a logistic regression.

    Args:
        model: The model.
        items: Conflict items of image and text.
        progress: Told of answers as they finish.
        seed: Seed of the bootstrap.

    Raises:
        UsageError: Fewer than two items count, or all of them follow the same modality.
    """
    found = admit_items(model, items, lambda item: [prompt_for(item)], ITEMS).require(ITEMS)
    whole = [own[0] for own in found.prompts]
    if lacking := [i.id for i, p in zip(found.items, whole, strict=True) if p.modalities != PAIR]:
        raise UsageError(f"{ITEMS} must have image and text, and nothing else; item {lacking[0]} has not.")
    sides = {"text": [p.without("image") for p in whole], "image": [p.without("text") for p in whole]}
    label = {name: _labels(model, found.items, asked, progress) for name, asked in {"both": whole, **sides}.items()}
    counts = [
        place
        for place, both in enumerate(label["both"])
        if both in PAIR and all(label[side][place] == side for side in PAIR)
    ]
    if not counts:
        raise UsageError(
            f"{ITEMS} must hold some that the model answers right by each modality alone; none of {len(whole)} is; "
            "give easier items."
        )
    nats = {side: entropy(run(model, [sides[side][k] for k in counts]).logits.log_softmax(-1)) for side in PAIR}
    relative = 2 * (nats["text"] - nats["image"]) / (nats["text"] + nats["image"]).clamp_min(1e-12)
    return balance_point(relative, torch.tensor([label["both"][k] == "text" for k in counts]), seed)


def _labels(model: ModelOrEngine, items: Sequence[Item], prompts: Sequence[Prompt], progress: Progress) -> list[str]:
    texts = generate(model, prompts, progress=progress).texts
    return [judge(text, item).label for text, item in zip(texts, items, strict=True)]


def balance_point(relative: Float[Tensor, " n"], follows_text: Bool[Tensor, " n"], seed: int = 0) -> Balance:
    """Fit the chance to follow the text to relative uncertainties, and find where it is one half.

    Raises:
        UsageError: Fewer than two items, or all of them follow the same modality.
    """
    if len(relative) < 2 or follows_text.all() or not follows_text.any():
        raise UsageError(
            f"{ITEMS} must hold some that follow the text and some that follow the image; {int(follows_text.sum())} of "
            f"{len(relative)} that count follow the text; give more items."
        )
    x, y = relative.double(), follows_text.double()
    drawn = torch.randint(len(x), (DRAWS, len(x)), generator=torch.Generator().manual_seed(seed))
    constant, slope = fitted(x[None], y[None])[0].tolist()
    fits = fitted(x[drawn], y[drawn])
    falls = fits[:, 1] < 0
    low = high = None
    if slope < 0:
        low, high = (-fits[falls, 0] / fits[falls, 1]).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    point = -constant / slope if slope < 0 else None
    return Balance(point, low, high, slope, float(falls.double().mean()), len(x), relative, follows_text)


def fitted(x: Float[Tensor, "fits n"], y: Float[Tensor, "fits n"]) -> Float[Tensor, "fits two"]:
    """Return constant and slope of logistic regressions by Newton's method, each with a small ridge."""
    design = torch.stack([torch.ones_like(x), x], dim=-1)
    found = x.new_zeros(len(x), 2)
    ridge = RIDGE * torch.eye(2, dtype=x.dtype)
    for _ in range(ROUNDS):
        p = torch.einsum("fnk,fk->fn", design, found).sigmoid()
        pull = torch.einsum("fnk,fn->fk", design, y - p) - found @ ridge
        curvature = torch.einsum("fnk,fn,fnl->fkl", design, p * (1 - p), design) + ridge
        found = found + torch.linalg.solve(curvature, pull).clamp(-5, 5)
    return found
