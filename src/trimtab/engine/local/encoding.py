"""From a prompt to tokens, with every named part's positions exact."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engine.encoded import Encoded, media_positions
from trimtab.engine.local.template import render
from trimtab.engine.prompt import Prompt
from trimtab.errors import PromptTooLongError, UnsupportedModelError, UsageError
from trimtab.media import medium_kind
from trimtab.modalities import SHOWN, Modality
from trimtab.models import MediaInput, Model


def encode(model: Model, prompt: Prompt) -> Encoded:
    """Render a prompt by the model's chat template, expand what it shows, and tokenize it.

    Spans are found by character offsets in the rendered text, so they are exact whatever the template adds and
    whatever the tokenizer merges. A token that straddles two parts belongs to the one its first visible
    character is in. What looks like a control token in the prompt's own text is plain text.

    Args:
        model: The model.
        prompt: The prompt.

    Returns:
        The encoded prompt on the model's device.

    Raises:
        DataError: The text cannot be written by the model's tokenizer.
        PromptTooLongError: The prompt has more tokens than the model has positions.
        UnsupportedModelError: The chat template or the tokenizer does not suit, or media are not equally long for a
            model that takes them as one array.
    """
    media = tuple(
        model.show(kind, medium, prompt.image_counterfactual, among=len(shown) > 1)
        for kind, shown in prompt.media.items()
        for medium in shown
    )
    model.family.require_one_length(media)
    body, ranges = prompt.body()
    turn = render(model, body, media)
    tokens = model.plain_text.tokens(turn.before, turn.body, turn.after)
    if tokens.added:
        raise UnsupportedModelError(
            f"`tokenizer` of {model.name} must end where the generation prompt ends; it adds "
            f"{model.tokenizer.convert_ids_to_tokens(tokens.ids[-1])!r}; load it with add_eos_token=False."
        )
    ids = torch.tensor(tokens.ids, device=model.device)
    is_text = ~model.media_positions(ids)
    shift = tokens.body - turn.cut
    spans = {
        name: _tokens_in(tokens.text, tokens.offsets, is_text, (start + shift, end + shift))
        for name, (start, end) in ranges.items()
    }
    for kind in SHOWN:
        spans[kind] = _places_of(model, ids, media, kind)
    spans["last"] = torch.tensor([len(ids) - 1], device=ids.device)
    positions = model.family.positions(model.hf, ids, media)
    encoded = Encoded(ids, positions, spans, media, model.blocks(ids))
    check_length(model, encoded)
    return encoded


def check_length(model: Model, prompt: Encoded, new_tokens: int = 0) -> None:
    """Refuse a prompt that goes on beyond the model's positions.

    Args:
        model: The model.
        prompt: The prompt.
        new_tokens: Longest answer to it.

    Raises:
        PromptTooLongError: It does, with both numbers.
    """
    most = model.max_positions
    if most is None or len(prompt) + new_tokens <= most:
        return
    answer = f" and an answer of up to {new_tokens:,}" if new_tokens else ""
    raise PromptTooLongError(
        f"prompt must fit the {most:,} positions of {model.name}; it has {len(prompt):,} tokens "
        f"({media_positions(prompt)}){answer}; shorten it, or load with a smaller max_pixels."
    )


def _places_of(model: Model, ids: Tensor, media: Sequence[MediaInput], kind: Modality) -> Tensor:
    """Return the positions of a modality, ``(n,)``.

    Raises:
        UsageError: They are not as many as its media take.
    """
    own = [m for m in media if m.kind == kind]
    found = (ids == model.placeholders[kind]).nonzero()[:, 0] if kind in model.placeholders else ids[:0]
    expected = sum(m.n_tokens for m in own)
    if len(found) != expected:
        raise UsageError(
            f"`prompt` must take {expected} {kind} positions for its {len(own)} {medium_kind(kind).noun}s; its tokens "
            f"have {len(found)}; check the tokenizer's {kind} token."
        )
    return found


def _tokens_in(text: str, offsets: list[tuple[int, int]], allowed: Tensor, span: tuple[int, int]) -> Tensor:
    inside = []
    for start, end in offsets:
        piece = text[start:end]
        visible = start + len(piece) - len(piece.lstrip())
        first = visible if visible < end else start
        inside.append(end > start and span[0] <= first < span[1])
    return (torch.tensor(inside, device=allowed.device) & allowed).nonzero()[:, 0]
