"""Evidence held by one token or by many, in models whose reliance on each modality is planted."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from trimtab.contribution import MCS, Method, Shapley, measure
from trimtab.contribution.spans import segment
from trimtab.engine import encode
from trimtab.items import Item, MediaBytes
from trimtab.items.prompts import prompt_for
from trimtab.testing import planted_model

SIDES = (28, 56, 84, 112)
"""Sides of plain pictures, in pixels: 1 to 16 tokens, which all say the same."""
WEIGHTS = (0.3, 0.5, 0.7)
COLOURS = ("crimson", "seagreen", "navy", "orange")
READINGS: dict[str, Method] = {
    "small noise": MCS(text="context"),
    "KL, sigma 1": MCS(divergence="kl", estimator="sampled", text="context", sigmas=(1.0,), draws=8),
    "Shapley": Shapley(),
}


def planted() -> list[dict[str, Any]]:
    """Give a planted model the same evidence in more and more tokens: what becomes of the image's share?"""
    rows = []
    for weight in WEIGHTS:
        model = planted_model(weight)
        for side in SIDES:
            items = [_item(k, colour, side) for k, colour in enumerate(COLOURS)]
            tokens = len(segment(encode(model, prompt_for(items[0])), "image"))
            row: dict[str, Any] = {"weight": weight, "tokens": tokens}
            for name, method in READINGS.items():
                row[name] = float(np.nanmean([c.ratio for c in measure(model, items, method=method)]))
            rows.append(row)
    return rows


def _item(number: int, colour: str, side: int) -> Item:
    buffer = BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, format="PNG")
    context = " ".join([("sofa", "garden", "cats", "dog")[number]] * 40)
    return Item(
        f"item-{number}",
        "color",
        "What is it?",
        context=context,
        answer_image="one",
        answer_text="two",
        image=MediaBytes(buffer.getvalue()),
    )
