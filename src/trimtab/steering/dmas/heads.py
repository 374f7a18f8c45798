"""What heads put out for right and wrong answers, and for what is shown and what is not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import Encoded, ModelOrEngine, Prompt, Read, encode, run
from trimtab.errors import UsageError
from trimtab.items.prompts import answer_ids, prompt_for
from trimtab.modalities import Modality, others
from trimtab.steering.chooser import has_evidence
from trimtab.steering.contrasting import ContrastRule
from trimtab.steering.training_set import TrainingSet


def answer_differences(train: TrainingSet, target: Modality) -> Float[Tensor, "items layers heads head_dim"]:
    """Return each item's heads at the last token of the target's answer, less the mean of those at others' answers.

    Raises:
        UsageError: An item has no answer of one of the modalities.
    """
    among = (target, *others(target, train.states.instructed))
    forced = []
    for item in train.items:
        prompt = encode(train.model, prompt_for(item))
        for modality in among:
            answer = item.answer_of(modality)
            if not answer.strip():
                raise UsageError(
                    f"`items` of DMAS.fit must have an answer of each modality to force; item {item.id} has no "
                    f"answer_{modality}; give conflict items."
                )
            forced.append(prompt.followed_by(answer_ids(train.model, prompt, answer)))
    found = _heads(train.model, forced).unflatten(0, (len(train.items), len(among)))
    return found[:, 0] - found[:, 1:].mean(1)


def perception_differences(train: TrainingSet, target: Modality) -> Float[Tensor, "items layers heads head_dim"]:
    """Return heads at the last prompt token, less those when the target is taken away, of the items that show it.

    A picture is covered with noise; anything else is left out.

    Raises:
        UsageError: No item shows the target.
    """
    prompts = [prompt for item in train.items if has_evidence(prompt := prompt_for(item), target)]
    if not prompts:
        raise UsageError(
            f"`items` of DMAS.fit must hold some that show the {target}; got none; give such, or perception=0."
        )
    rule = ContrastRule(target, "noise" if target == "image" else "dropped")
    return _heads(train.model, prompts) - _heads(train.model, [rule.bereft(prompt) for prompt in prompts])


def _heads(model: ModelOrEngine, prompts: Sequence[Prompt | Encoded]) -> Float[Tensor, "rows layers heads head_dim"]:
    layers = tuple(range(model.n_layers))
    found = run(model, prompts, Read(logits=False, heads=layers)).heads
    return torch.stack([found[layer] for layer in layers], dim=1)
