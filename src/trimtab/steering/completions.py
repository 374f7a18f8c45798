"""Hidden states under forced answers: each item asked plainly, and made to begin with the answer of each modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import Encoded, ModelOrEngine, Read, encode, run
from trimtab.errors import UsageError
from trimtab.items import Item
from trimtab.items.prompts import answer_ids, prompt_for
from trimtab.modalities import Modality
from trimtab.progress import SILENT, Progress, Within


def collect_completions(
    model: ModelOrEngine,
    items: Sequence[Item],
    layers: Sequence[int],
    among: Sequence[Modality],
    progress: Progress = SILENT,
) -> dict[Modality, dict[int, Float[Tensor, "items hidden"]]]:
    """Read each item's states while its answer begins with what each modality supports (L2S, arXiv 2508.12815).

    The paper's X+ and X- are the question with a completion that shows the behaviour, or its opposite, forced upon the
    model. Its completions are those of its two tasks. Here they are the answers that the item's modalities support, as
    the assistant's first words. As in its experiments on hallucination, the states are the mean over all forced tokens.

    Args:
        model: The model.
        items: Items that the model takes.
        layers: Decoder blocks, 0-based, whose outputs to read.
        among: The modalities whose answers to force.
        progress: Told of answers as they finish.

    Returns:
        States by modality and layer, ``(items, hidden)``, float32, CPU.

    Raises:
        UsageError: An item has no answer of one of the modalities.
    """
    forced: list[Encoded] = []
    counts: list[int] = []
    for item in items:
        prompt = encode(model, prompt_for(item))
        for modality in among:
            ids = answer_ids(model, prompt, _answer(item, modality))
            # A row for each token, so that each is a last one; they share all but their ends.
            forced += [prompt.followed_by(ids[:n]) for n in range(1, len(ids) + 1)]
            counts.append(len(ids))
    with progress.task("read forced answers", len(forced)) as advance:
        hidden = run(model, forced, Read(logits=False, hidden=tuple(layers)), progress=Within(advance)).hidden

    def means(layer: int) -> Float[Tensor, "items modalities hidden"]:
        return torch.stack([own.mean(0) for own in hidden[layer].split(counts)]).unflatten(0, (len(items), len(among)))

    by_layer = {layer: means(layer) for layer in layers}
    return {modality: {layer: by_layer[layer][:, k] for layer in layers} for k, modality in enumerate(among)}


def _answer(item: Item, modality: Modality) -> str:
    answer = item.answer_of(modality)
    if not answer.strip():
        raise UsageError(
            f"`contrast` of L2S must be 'instruction' for items without an answer of each modality to force; item "
            f"{item.id} has no answer_{modality}; give conflict items."
        )
    return answer
