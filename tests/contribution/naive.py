"""Algorithm 1 of AMPS as plainly as it can be written: one perturbation, one row, the model's own prefill."""

import torch

from trimtab.contribution import ContributionConfig
from trimtab.contribution.perturb import standard_normal
from trimtab.engine import Encoded
from trimtab.models import Model


def naive_score(model: Model, prompt: Encoded, item_id: str, modality: str, config: ContributionConfig) -> float:
    names = ["image"] if modality == "image" else ["context", "question"]
    places = torch.cat([prompt.span(name) for name in names])
    found = []
    for sigma in config.sigmas:
        for draw in range(config.draws):
            key = (config.seed, item_id, modality, sigma, draw)
            found.append(_one(model, prompt, places, sigma, key, config.divergence))
    return sum(found) / len(found)


def _one(model: Model, prompt: Encoded, places: torch.Tensor, sigma: float, key: tuple, divergence: str) -> float:
    clean = _cache(model, prompt)
    p_x = _logits(model, prompt, clean).softmax(-1)
    noisy = _cache(model, prompt)
    heads, width = noisy.layers[0].keys.shape[1], noisy.layers[0].keys.shape[3]
    noise = standard_normal((2, model.n_layers, heads, len(places), width), key)
    leaves = []
    for number, layer in enumerate(noisy.layers):
        for kind, name in enumerate(("keys", "values")):
            entries = getattr(layer, name)
            leaf = entries[0][:, places].clone()
            leaf += sigma * leaf.std(correction=0) * noise[kind, number]
            leaf.requires_grad_()
            leaves.append(leaf)
            changed = entries.clone()
            changed[0, :, places] = leaf
            setattr(layer, name, changed)
    logits = _logits(model, prompt, noisy)
    loss = -(p_x * logits.log_softmax(-1)).sum()
    if divergence == "kl":
        loss = loss + (p_x * p_x.log()).sum()
    gradients = torch.autograd.grad(loss, leaves)
    return float(sum(g.square().sum() for g in gradients) / loss.detach())


def _cache(model: Model, prompt: Encoded):
    inputs = model.family.native_inputs(model.hf, prompt.ids[:-1], list(prompt.pixels))
    with torch.no_grad():
        return model.hf(**inputs, use_cache=True).past_key_values


def _logits(model: Model, prompt: Encoded, cache) -> torch.Tensor:
    embeds = model.embedding(prompt.ids[-1:])[None]
    mask = torch.ones(1, len(prompt), dtype=torch.long)
    hidden = model.decode(embeds, mask, prompt.positions[:, None, -1:], cache)
    return model.lm_head(hidden[0, -1]).double()
