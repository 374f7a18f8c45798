"""From a prompt to tokens, with every named part's positions exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engine.prompt import Prompt
from trimtab.errors import UsageError
from trimtab.models import Model, Pixels


@dataclass(frozen=True, eq=False)
class Encoded:
    """A prompt as the model takes it: unpadded, for one row.

    Attributes:
        ids: Token ids, ``(length,)``.
        positions: Rotary positions, ``(axes, length)``.
        spans: Token indices of each named part; a part the prompt lacks has none.
        pixels: The prompt's pictures.
    """

    ids: Tensor
    positions: Tensor
    spans: Mapping[str, Tensor]
    pixels: tuple[Pixels, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def span(self, name: str) -> Tensor:
        """Return the token indices of a named part, ``(n,)``.

        Raises:
            UsageError: The prompt has no such part.
        """
        if name not in self.spans or not len(self.spans[name]):
            present = [n for n, s in self.spans.items() if len(s)]
            raise UsageError(
                f"`span` must name a part of this prompt ({', '.join(present)}); got {name!r}; give the prompt "
                "that part or name another span."
            )
        return self.spans[name]


def encode(model: Model, prompt: Prompt) -> Encoded:
    """Render a prompt by the model's chat template, expand its pictures, and tokenize it.

    Spans are found by character offsets in the rendered text, so they are exact whatever the template adds and
    whatever the tokenizer merges. A token that straddles two parts belongs to the one its first visible
    character is in.

    Args:
        model: The model.
        prompt: The prompt.

    Returns:
        The encoded prompt on the model's device.

    Raises:
        UsageError: The text contains the model's own image token.
    """
    pixels = tuple(model.pixels(image, prompt.image_counterfactual) for image in prompt.images)
    text, ranges = _render(model, prompt, pixels)
    bos = model.tokenizer.bos_token
    encoding = model.tokenizer(text, add_special_tokens=not (bos and text.startswith(bos)), return_offsets_mapping=True)
    ids = torch.tensor(encoding["input_ids"], device=model.device)
    is_image = ids == model.image_token
    spans = {name: _tokens_in(text, encoding["offset_mapping"], ~is_image, r) for name, r in ranges.items()}
    spans["image"] = is_image.nonzero()[:, 0]
    spans["last"] = torch.tensor([len(ids) - 1], device=ids.device)
    expected = sum(p.n_tokens for p in pixels)
    if len(spans["image"]) != expected:
        raise UsageError(
            f"`prompt` must take {expected} image positions for its {len(pixels)} pictures; its tokens have "
            f"{len(spans['image'])}; check the tokenizer's image token."
        )
    return Encoded(ids, model.family.positions(model.hf, ids, list(pixels)), spans, pixels)


def _render(model: Model, prompt: Prompt, pixels: tuple[Pixels, ...]) -> tuple[str, dict[str, tuple[int, int]]]:
    """Render the turn, repeat each image token, and move the parts' character ranges along."""
    body, ranges = prompt.body()
    token = model.tokenizer.convert_ids_to_tokens(model.image_token)
    if token in body:
        raise UsageError(
            f"`prompt` must not contain the model's image token {token!r} in its text; give pictures as `images`."
        )
    content = [{"type": "image"} for _ in pixels] + [{"type": "text", "text": body}]
    rendered = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=model.chat_template,
        add_generation_prompt=True,
        tokenize=False,
    )
    start = rendered.rfind(body)
    if start < 0 or rendered.count(token) != len(pixels):
        raise UsageError(
            f"`chat_template` of {model.name} must keep the text as it is and give each picture one {token!r}; for "
            f"{len(pixels)} pictures it rendered {rendered!r}."
        )
    shift = sum((p.n_tokens - 1) * len(token) for p in pixels)
    before, *after = rendered.split(token)
    expanded = before + "".join(token * p.n_tokens + piece for p, piece in zip(pixels, after, strict=True))
    if pixels and rendered.rfind(token) > start:  # a template that puts pictures after the text
        shift = 0
    return expanded, {name: (start + shift + a, start + shift + b) for name, (a, b) in ranges.items()}


def _tokens_in(text: str, offsets: list[tuple[int, int]], allowed: Tensor, span: tuple[int, int]) -> Tensor:
    inside = []
    for start, end in offsets:
        piece = text[start:end]
        visible = start + len(piece) - len(piece.lstrip())
        first = visible if visible < end else start
        inside.append(end > start and span[0] <= first < span[1])
    return (torch.tensor(inside, device=allowed.device) & allowed).nonzero()[:, 0]
