"""The Modality Contribution Score as plainly as the equations can be written.

One perturbation at a time, the model's own prefill, its own attention, autograd to every cache entry.
"""

import math
from typing import Any

import torch
from torch import Tensor

from trimtab.contribution import MCS
from trimtab.contribution.noise import standard_normal
from trimtab.contribution.vocabulary import first_token
from trimtab.engine import Encoded
from trimtab.items import Item
from trimtab.modalities import PAIR
from trimtab.models import Model


def naive_scores(model: Model, prompt: Encoded, item: Item, config: MCS) -> tuple[float, float, float]:
    """Image, text and ratio of one item."""
    answer = _greedy(model, prompt, config.steps)
    by_modality = []
    for modality in PAIR:
        by_sigma = []
        for sigma in config.sigmas:
            steps = []
            for n in range(len(answer)):
                draws = [
                    _one(model, prompt, item, answer[:n], modality, sigma, draw, config) for draw in range(config.draws)
                ]
                steps.append(_mean(draws) if config.average == "mean" else _median(draws))
            by_sigma.append(_mean(steps))
        by_modality.append(by_sigma)
    image, text = (_mean(s) for s in by_modality)
    if config.ratio == "of_means":
        return image, text, image / (image + text)
    return image, text, _mean([i / (i + t) for i, t in zip(*by_modality, strict=True)])


def _one(
    model: Model,
    prompt: Encoded,
    item: Item,
    answer: list[int],
    modality: str,
    sigma: float,
    draw: int,
    config: MCS,
) -> float:
    ids = torch.cat([prompt.ids, torch.tensor(answer, dtype=torch.long)])
    places = _places(prompt, modality, config.text)
    # Weighed by the variance of their own noise, entries without noise are not counted.
    whole = config.gradient == "full" and config.constant != "half_variance"
    if config.site == "embeddings":
        loss, leaves, noisy, deviations = _embedding_loss(
            model, prompt, item, ids, places, modality, sigma, draw, config
        )
        counted = [torch.ones(len(ids), dtype=torch.bool)] if whole else [noisy]
        inside = [noisy]
        token_axis = 0
    else:
        logits, leaves, chosen, deviations = _cache_logits(model, prompt, ids, places, modality, sigma, draw, config)
        x = _restricted(
            model, prompt, item, config, _cache_logits(model, prompt, ids, places, modality, 0, 0, config)[0]
        )
        loss = _divergence(config.divergence, x.detach(), _restricted(model, prompt, item, config, logits))
        in_segment = torch.zeros(len(ids) - 1, dtype=torch.bool)
        in_segment[places] = True
        inside = [in_segment & c for c in chosen]
        counted = [torch.ones(len(ids) - 1, dtype=torch.bool)] * len(leaves) if whole else inside
        token_axis = 1
    gradients = torch.autograd.grad(loss, leaves)
    squared, entries, tokens = 0.0, 0, 0
    for gradient, on, within, deviation in zip(gradients, counted, inside, deviations, strict=True):
        if config.constant == "half_variance":
            squared += float(gradient.movedim(token_axis, 0)[within].square().sum()) * deviation**2 / 2
        else:
            squared += float(gradient.movedim(token_axis, 0)[on].square().sum())
        entries += gradient.movedim(token_axis, 0)[on].numel()
        tokens = max(tokens, int(on.sum()))
    if config.constant == "half":
        squared /= 2
    divisor = {"none": 1, "tokens": tokens, "entries": entries}[config.normalise]
    return squared / divisor / float(loss.detach())


def _cache_logits(model, prompt, ids, places, modality, sigma, draw, config):
    """Logits after the last token, from a cache with noise: all its entries are leaves."""
    inputs = model.family.native_inputs(model.hf, ids[:-1], prompt.media)
    positions = _positions(prompt, ids)
    with torch.no_grad():
        if positions.shape[1] == prompt.positions.shape[1]:
            cache = model.hf(**inputs, use_cache=True).past_key_values
        else:  # answer tokens go on from the prompt's positions, as in generation
            from transformers import DynamicCache

            cache = DynamicCache()
            embeds = model.embed(ids[:-1], prompt.media)[None]
            extras = {name: values[None] for name, values in model.extras(ids[:-1], prompt.media).items()}
            mask = torch.ones(1, len(ids) - 1, dtype=torch.long)
            model.decode(embeds, mask, positions[:, None, :-1], cache, extras=extras)
    keys: Any = cache.layers[0].keys  # pyright: ignore[reportAttributeAccessIssue]
    heads, width = keys.shape[1], keys.shape[3]
    sites = (model.n_layers, 2, heads)
    noise = standard_normal(len(places), width, (config.seed, modality, draw), sites)
    layers = range(model.n_layers) if config.layers is None else [n % model.n_layers for n in config.layers]
    leaves, chosen, deviations = [], [], []
    for number, layer in enumerate(cache.layers):
        for kind, name in enumerate(("keys", "values")):
            leaf = getattr(layer, name)[0].clone()
            own = leaf[:, places]
            scale = float(own.std(correction=0)) if config.scale == "relative" else 1.0
            gets_noise = number in layers and config.entries in ("both", name)
            if gets_noise:
                leaf[:, places] = own + sigma * scale * noise[number, kind].to(own)
            leaf.requires_grad_()
            setattr(layer, name, leaf[None])
            leaves.append(leaf)
            chosen.append(torch.tensor(gets_noise))
            deviations.append(sigma * scale if gets_noise else 0.0)
    mask = torch.ones(1, len(ids), dtype=torch.long)
    hidden = model.decode(
        model.embedding(ids[-1:])[None], mask, positions[:, None, -1:], cache, extras={"ids": ids[None, -1:]}
    )
    return model.logits(hidden[0, -1]).double(), leaves, chosen, deviations


def _embedding_loss(model, prompt, item, ids, places, modality, sigma, draw, config):
    embeds = model.embed(ids, prompt.media).clone()
    own = embeds[places]
    scale = float(own.std(correction=0)) if config.scale == "relative" else 1.0
    noise = standard_normal(len(places), model.hidden_size, (config.seed, modality, draw))
    x = _restricted(model, prompt, item, config, _embedding_logits(model, prompt, ids, embeds))
    embeds[places] = own + sigma * scale * noise.to(own)
    embeds.requires_grad_()
    logits = _restricted(model, prompt, item, config, _embedding_logits(model, prompt, ids, embeds))
    inside = torch.zeros(len(ids), dtype=torch.bool)
    inside[places] = True
    return _divergence(config.divergence, x.detach(), logits), [embeds], inside, [sigma * scale]


def _embedding_logits(model: Model, prompt: Encoded, ids: Tensor, embeds: Tensor | None) -> Tensor:
    embeds = model.embed(ids, prompt.media) if embeds is None else embeds
    mask = torch.ones(1, len(ids), dtype=torch.long)
    extras = {name: values[None] for name, values in model.extras(ids, prompt.media).items()}
    hidden = model.decode(embeds[None], mask, _positions(prompt, ids)[:, None], extras=extras)
    return model.logits(hidden[0, -1]).double()


def _divergence(kind: str, clean: Tensor, noisy: Tensor) -> Tensor:
    x, z = clean.softmax(-1), noisy.softmax(-1)
    middle = (x + z) / 2
    return {
        "ce": lambda: -(x * z.log()).sum(),
        "ce_reversed": lambda: -(z * x.log()).sum(),
        "kl": lambda: (x * (x / z).log()).sum(),
        "kl_reversed": lambda: (z * (z / x).log()).sum(),
        "js": lambda: ((x * (x / middle).log()).sum() + (z * (z / middle).log()).sum()) / 2,
        "probability": lambda: z[x.argmax()],
    }[kind]()


def _places(prompt: Encoded, modality: str, text: str) -> Tensor:
    if modality == "image":
        return prompt.span("image")
    if text == "prompt":
        image = set(prompt.span("image").tolist())
        return torch.tensor([i for i in range(len(prompt) - 1) if i not in image])
    names = ["context"] if text == "context" else ["context", "question"]
    return torch.cat([prompt.span(name) for name in names])


def _restricted(model: Model, prompt: Encoded, item: Item, config: MCS, logits: Tensor) -> Tensor:
    if config.vocabulary == "all":
        return logits
    return logits[[first_token(model, prompt, a) for a in (item.answer_image, item.answer_text)]]


def _positions(prompt: Encoded, ids: Tensor) -> Tensor:
    extra = torch.arange(len(ids) - len(prompt)) + 1 + int(prompt.positions.max())
    return torch.cat([prompt.positions, extra.expand(len(prompt.positions), -1)], dim=1)


@torch.no_grad()
def _greedy(model: Model, prompt: Encoded, steps: int) -> list[int]:
    """The answer's tokens, at least the first."""
    ids = prompt.ids
    for n in range(steps):
        token = _embedding_logits(model, prompt, ids, None).argmax()
        if n and int(token) in model.stop_tokens:
            break
        ids = torch.cat([ids, token[None]])
    return ids[len(prompt) :].tolist()


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


OPTIONS = [
    {},
    *({"divergence": d} for d in ("ce_reversed", "kl", "kl_reversed", "js", "probability")),
    {"entries": "keys"},
    {"entries": "values", "layers": (-1,)},
    {"gradient": "full", "divergence": "kl"},
    {"gradient": "full", "normalise": "tokens", "steps": 2},
    {"gradient": "full", "normalise": "entries"},
    {"scale": "absolute"},
    {"constant": "half"},
    {"constant": "half_variance", "layers": (0, 2), "ratio": "mean_of_ratios"},
    {"constant": "half_variance", "gradient": "full", "normalise": "entries"},
    {"normalise": "tokens"},
    {"normalise": "entries", "entries": "keys"},
    {"text": "context"},
    {"text": "prompt", "divergence": "kl"},
    {"vocabulary": "answers", "divergence": "kl"},
    {"average": "median", "draws": 3},
    {"steps": 3, "divergence": "kl", "ratio": "mean_of_ratios"},
    {"site": "embeddings"},
    {"site": "embeddings", "gradient": "full", "constant": "half", "normalise": "tokens", "divergence": "kl"},
    {"site": "embeddings", "constant": "half_variance", "normalise": "entries", "scale": "absolute", "steps": 2},
    {"site": "embeddings", "constant": "half_variance", "gradient": "full", "normalise": "tokens"},
]
