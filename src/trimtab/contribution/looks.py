"""Where the last token of a prompt looks: its attention in each layer, in one pass over the whole prompt."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.contribution.method import Case, in_batches
from trimtab.contribution.spans import segment
from trimtab.engine import Capability, Encoded, ModelOrEngine, Prompt, encode
from trimtab.engine.local.whitebox import Piece, collate, engine_drives, exclusive, opened, score_changes
from trimtab.modalities import Modality
from trimtab.models import Model


def attention_to(
    model: ModelOrEngine, prompts: Sequence[Prompt], modality: Modality
) -> list[Float[Tensor, "layers heads tokens"]]:
    """Return the attention of each prompt's last token to a modality's tokens, ``(layers, heads, tokens)``; CPU.

    A layer that carries a state instead of attending, as in Qwen3.5, has nan.

    Args:
        model: The model.
        prompts: Prompts that have the modality; of the text, a context.
        modality: The modality.

    Raises:
        UnsupportedEngineError: The engine has its model elsewhere.
    """
    own = opened(model, Capability.CACHE, owner="attention_to")
    cases = [Case(None, prompt, encode(own, prompt), (modality,)) for prompt in prompts]
    if not cases:
        return []
    wanted = {id(case): segment(case.encoded, modality, "context").cpu() for case in cases}

    def of_batch(chosen: Sequence[Case]) -> list[Tensor]:
        looks = _last_token(own, [case.encoded for case in chosen])
        return [seen[..., wanted[id(case)]] for case, seen in zip(chosen, looks, strict=True)]

    return in_batches(own, cases, of_batch, None)


@exclusive
@torch.no_grad()
def _last_token(model: Model, prompts: Sequence[Encoded]) -> list[Float[Tensor, "layers heads tokens"]]:
    """Run prompts as one batch and return what the last token of each sees, by the token's place in its prompt."""
    batch = collate(model, [Piece(prompt, 0, len(prompt)) for prompt in prompts])
    found: dict[int, Tensor] = {}

    def keep(layer: int, scores: Tensor, mask: Tensor | None, queries: slice) -> None:
        del queries  # they come in order, so that the last one kept is the prompt's last token
        last = scores[:, :, -1] if mask is None else scores[:, :, -1] + mask[:, :, -1]
        found[layer] = last.softmax(-1, dtype=torch.float32).cpu()

    with ExitStack() as stack:
        for layer in model.attentions:
            stack.enter_context(score_changes(model, layer, keep))
        stack.enter_context(engine_drives(model))
        model.decode(batch.embeds, batch.mask, batch.positions, extras=batch.extras)
    some = next(iter(found.values()))
    whole = torch.stack([found.get(layer, torch.full_like(some, torch.nan)) for layer in range(model.n_layers)], dim=1)
    return [own[..., -len(prompt) :] for own, prompt in zip(whole, prompts, strict=True)]
