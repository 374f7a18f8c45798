"""How much each token of the model's own answers depends on a modality."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.divergences import kl
from trimtab.engine import Read, encode, generate, run
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.steering.chooser import has_evidence
from trimtab.steering.training_set import TrainingSet

ITEMS_AT_ONCE = 32
"""Items whose tokens' logits are held at a time."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Tokens of answers, from the last prompt token on.

    Attributes:
        nats: KL of the next token's distribution with the modality from that without it, ``(tokens,)``.
        states: States at each layer with the modality, ``(tokens, hidden)``.
        differences: The same less the states without it, ``(tokens, hidden)``.
    """

    nats: Float[Tensor, " tokens"]
    states: dict[int, Float[Tensor, "tokens hidden"]]
    differences: dict[int, Float[Tensor, "tokens hidden"]]


def token_sensitivity(train: TrainingSet, modality: Modality, steps: int) -> Sensitivity:
    """Measure the tokens of the model's greedy answers to the training items, at most ``steps`` of each.

    The same answer is put behind the prompt with the modality and behind that without it. Items that show nothing else,
    or not the modality, are left out.
    """
    prompts = [prompt_for(item) for item in train.items]
    prompts = [p for p in prompts if has_evidence(p, modality) and len(p.modalities) > 1]
    none = dict.fromkeys(train.layers, torch.zeros(0, train.model.hidden_size))
    parts = [Sensitivity(torch.zeros(0), none, none)]
    for start in range(0, len(prompts), ITEMS_AT_ONCE):
        part = prompts[start : start + ITEMS_AT_ONCE]
        answers = generate(train.model, part, max_new_tokens=steps).tokens
        shown, hidden = (
            [
                encoded.followed_by(tokens[:n])
                for encoded, tokens in zip((encode(train.model, p) for p in asked), answers, strict=True)
                for n in range(max(1, len(tokens)))
            ]
            for asked in (part, [p.without(modality) for p in part])
        )
        read = run(train.model, [*shown, *hidden], Read(hidden=train.layers))
        with_it, without = read.logits.log_softmax(-1).split(len(shown))
        both = {layer: read.hidden[layer].split(len(shown)) for layer in train.layers}
        states = {layer: kept for layer, (kept, _) in both.items()}
        differences = {layer: kept - bare for layer, (kept, bare) in both.items()}
        parts.append(Sensitivity(kl(with_it, without).clamp_min(0), states, differences))
    return Sensitivity(
        torch.cat([part.nats for part in parts]),
        {layer: torch.cat([part.states[layer] for part in parts]) for layer in train.layers},
        {layer: torch.cat([part.differences[layer] for part in parts]) for layer in train.layers},
    )
