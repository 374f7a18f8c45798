"""What the model's own ``forward`` and ``generate`` take for a prompt, without a Hugging Face processor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engine.encoded import Encoded
from trimtab.engine.local.encoding import encode
from trimtab.engine.local.exclusive import exclusive
from trimtab.engine.prompt import Prompt
from trimtab.errors import UsageError
from trimtab.models import Model


@exclusive
@torch.no_grad()
def inputs(model: Model, prompts: Prompt | Encoded | Sequence[Prompt | Encoded]) -> dict[str, Tensor]:
    """Return keyword tensors for the model's own calls; see ``trimtab.inputs``."""
    asked = [prompts] if isinstance(prompts, (Prompt, Encoded)) else list(prompts)
    if not asked or not all(isinstance(prompt, (Prompt, Encoded)) for prompt in asked):
        kinds = ", ".join(sorted({type(prompt).__name__ for prompt in asked})) or "none"
        raise UsageError(f"`prompts` of inputs must be a Prompt or a list of them, at least one; got {kinds}.")
    encoded = [prompt if isinstance(prompt, Encoded) else encode(model, prompt) for prompt in asked]
    if any(shown.weights is not None for prompt in encoded for shown in prompt.media):
        raise UsageError(
            "`prompts` of inputs must show their pictures as they are; one has an image_counterfactual, which only "
            "trimtab.run and trimtab.generate can show."
        )
    parts = [model.family.native_inputs(model.hf, prompt.ids, prompt.media) for prompt in encoded]
    media = [medium for prompt in encoded for medium in prompt.media]
    found = model.family.native_inputs(model.hf, encoded[0].ids, media)
    length, pad = max(len(prompt) for prompt in encoded), model.tokenizer.pad_token_id or 0
    for name in found:
        if all(part[name].shape == part["input_ids"].shape for part in parts if name in part):
            fill = pad if name == "input_ids" else 0
            rows = [part.get(name, torch.zeros_like(part["input_ids"])) for part in parts]
            found[name] = torch.cat([_padded(row, length, fill) for row in rows])
    return found


def _padded(row: Tensor, length: int, fill: int) -> Tensor:
    """Pad a row ``(1, tokens)`` on the left."""
    return torch.cat([row.new_full((1, length - row.shape[1]), fill), row], dim=1)
