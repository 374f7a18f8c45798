"""Prompts as tokens, and batches of them as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from training.pixels import normalised
from training.prompts import Example
from training.smol.parts import TOKENS_A_SIDE
from trimtab.pocket.scene import SIDE, Scene


class Row(NamedTuple):
    """Tokens of one sequence: those from ``start`` on are learned; all learned tokens together weigh ``weight``."""

    ids: list[int]
    start: int
    scene: Scene | None
    weight: float


class Batch(NamedTuple):
    """Rows as tensors, padded on the right, where causal attention never looks back at it.

    Attributes:
        ids: rows x tokens.
        pixels: The different pictures, pictures x 3 x side x side.
        picture_of: For each row that has one, in order, which picture.
        owners: The row of each learned token.
        places: Where in its row it stands.
        weights: What it weighs in the loss.
    """

    ids: Tensor
    pixels: Tensor
    picture_of: Tensor
    owners: Tensor
    places: Tensor
    weights: Tensor


class Writer:
    """Writes prompts as a tokenizer's chat template has them, a picture's token once for each of its places."""

    def __init__(self, tokenizer: Any, image_token: str) -> None:
        self.tokenizer, self._image_token = tokenizer, image_token
        self._end = tokenizer.eos_token_id

    def row(self, example: Example, weight: float) -> Row:
        """Write one prompt with its answer and the end of the turn."""
        content = [{"type": "image"}] * (example.scene is not None) + [{"type": "text", "text": example.body}]
        text = str(
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
        ).replace(self._image_token, self._image_token * TOKENS_A_SIDE**2)
        prompt = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        answer = self.tokenizer(example.answer, add_special_tokens=False)["input_ids"]
        return Row([*prompt, *answer, self._end], len(prompt), example.scene, weight)


def batch_of(rows: Sequence[Row]) -> Batch:
    """Pad rows, draw their pictures, and point at what is learned."""
    length = max(len(row.ids) for row in rows)
    scenes = list({id(row.scene): row.scene for row in rows if row.scene is not None}.values())
    index = {id(scene): number for number, scene in enumerate(scenes)}
    learned = [(number, place) for number, row in enumerate(rows) for place in range(row.start, len(row.ids))]
    weights = [row.weight / (len(row.ids) - row.start) for row in rows for _ in range(row.start, len(row.ids))]
    owners, places = torch.tensor(learned).T
    return Batch(
        ids=torch.tensor([row.ids + [0] * (length - len(row.ids)) for row in rows]),
        pixels=normalised(scenes) if scenes else torch.zeros(0, 3, SIDE, SIDE),
        picture_of=torch.tensor([index[id(row.scene)] for row in rows if row.scene is not None], dtype=torch.long),
        owners=owners,
        places=places,
        weights=torch.tensor(weights),
    )
