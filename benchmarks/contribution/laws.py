"""What can be known beforehand: planted truth and scaling laws, on tiny models whose weights we set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import torch
from benchmarks.contribution.variants import ALL, RELATIVES

from trimtab.contribution import MCS, Method, measure
from trimtab.contribution.ranks import spearman
from trimtab.contribution.spans import segment
from trimtab.engine import encode
from trimtab.items import Item, MediaBytes
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.testing import PLANTED_FAMILIES, picture, planted_model, tiny_model

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SIGMAS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8)
CONTEXTS = (
    "a dog sleeps on the red sofa",
    "two cats play with a ball in the garden while a dog sleeps on the sofa",
    "the animal is happy",
)
VALUES = MCS(estimator="limit", divergence="kl", entries="values", top_tokens=400)
PLANTED: dict[str, Method] = {
    "kl values": VALUES,
    **{name: ALL[name] for name in ("default", "kl limit", "paper", "ce", "kl", "ce reversed", "kl by token")},
    **RELATIVES,
}


def items(count: int = 3, side: int = 56) -> list[Item]:
    """Make conflict items around random pictures."""
    made = []
    for i in range(count):
        buffer = BytesIO()
        picture(i, (side, side)).save(buffer, format="PNG")
        question, image = "What is the color of the animal?", MediaBytes(buffer.getvalue())
        made.append(
            Item(
                f"item-{i}",
                "color",
                question,
                context=CONTEXTS[i % 3],
                answer_image="one",
                answer_text="two",
                image=image,
            )
        )
    return made


def planted() -> dict[str, Any]:
    """Measure planted models of every weight by every method, beside the ratio that follows from the weight."""
    found: dict[str, Any] = {}
    for family in PLANTED_FAMILIES:
        models = {w: planted_model(w, family) for w in WEIGHTS}
        curves = {name: [_mean_ratio(models[w], method) for w in WEIGHTS] for name, method in PLANTED.items()}
        expected = [_expected(models[w], w) for w in WEIGHTS]
        error = float(np.abs(np.array(curves["kl values"]) - np.array(expected)).max())
        order = {name: spearman(WEIGHTS, curve) for name, curve in curves.items()}
        found[family] = {"curves": curves, "expected": expected, "largest_error": error, "order": order}
    return found


def _mean_ratio(model: Model, method: Method) -> float:
    return float(np.mean([c.ratio for c in measure(model, items(), method=method)]))


def _expected(model: Model, weight: float) -> float:
    ratios = []
    for item in items():
        prompt = encode(model, prompt_for(item))
        image, text = len(segment(prompt, "image")), len(segment(prompt, "text"))
        from_image, from_text = weight**2 / image, (1 - weight) ** 2 * text / (len(prompt) - image) ** 2
        ratios.append(from_image / (from_image + from_text))
    return float(np.mean(ratios))


def token_counts() -> list[dict[str, Any]]:
    """Give one model pictures of several sizes, which all say equally much: what do more tokens do to the score?"""
    model = planted_model(0.5)
    rows = []
    for side in (56, 84, 112):
        item = items(1, side)[0]
        tokens = len(segment(encode(model, prompt_for(item)), "image"))
        scores = {n: measure(model, [item], method=replace(VALUES, normalise=n))[0] for n in ("none", "tokens")}
        rows.append({"tokens": tokens, "image": scores["none"].image, "by_token": scores["tokens"].image})
    return rows


def sigma_laws() -> dict[str, Any]:
    """Score one item at many sigmas in float64, by every divergence."""
    model = _exact()
    curves = {}
    for kind in ("ce", "ce_reversed", "kl", "kl_reversed", "js", "probability"):
        configs = [MCS(divergence=kind, estimator="sampled", sigmas=(s,), draws=16) for s in SIGMAS]
        curves[kind] = [measure(model, items(1), method=c)[0].image for c in configs]
    slopes = {kind: _slope(SIGMAS[:4], curve[:4]) for kind, curve in curves.items()}
    return {"sigmas": SIGMAS, "curves": curves, "slopes": slopes}


def convergence(draws: int = 16, seeds: int = 12) -> dict[str, Any]:
    """Compare the sampled KL score with its limit as sigma falls, and their spread over seeds."""
    model = _exact()
    limit = measure(model, items(1), method=MCS(estimator="limit", divergence="kl", top_tokens=400))
    rows = []
    for sigma in SIGMAS:
        configs = [
            MCS(divergence="kl", estimator="sampled", sigmas=(sigma,), draws=draws, seed=s) for s in range(seeds)
        ]
        scores = np.array([measure(model, items(1), method=c)[0].image for c in configs])
        error = float(scores.std(ddof=1) / seeds**0.5)
        rows.append({"sigma": sigma, "mean": float(scores.mean()), "error": error, "one": float(scores.std(ddof=1))})
    known = MCS(estimator="limit", divergence="kl")
    few = {k: measure(model, items(1), method=replace(known, top_tokens=k))[0].image for k in (2, 4, 8, 16, 32, 64)}
    return {"limit": limit[0].image, "rows": rows, "draws": draws, "seeds": seeds, "top_tokens": few}


def _exact() -> Model:
    """Build a tiny model in float64, whose rounding does not limit how small the noise can be."""
    model = tiny_model("qwen2_5_vl", check=False)
    model.hf.to(torch.float64)
    return model


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
