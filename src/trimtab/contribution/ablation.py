"""What the answer loses when a modality is spoilt."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np
from PIL import Image
from torch import Tensor

from trimtab.contribution.divergence import divergence
from trimtab.contribution.method import Question, Scores, answers_in_chunks
from trimtab.contribution.spans import TextSpan
from trimtab.engine import Prompt
from trimtab.errors import UsageError
from trimtab.fields import check_fields
from trimtab.modalities import PAIR, Modality
from trimtab.models import Model
from trimtab.progress import Advance

Ablate = Literal["blank", "shuffle", "noise"]
GREY = (127, 127, 127)
TILES = 4
"""A shuffled picture is cut into so many tiles each way."""


@dataclass(frozen=True)
class Ablation:
    """KL divergence of the answer without a modality from the answer with it.

    The text is the context alone, as for ``Shapley``.

    Attributes:
        kind: ``"blank"``: a grey picture of the same size; no context. ``"shuffle"``: the picture's tiles and the
            context's words in another order. ``"noise"``: a picture of random pixels; a context of random letters.
        draws: How many random versions to average over; a blank has one.
        seed: Seed of the random versions.
    """

    name: ClassVar[str] = "ablation"

    kind: Ablate = "blank"
    draws: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.kind not in get_args(Ablate):
            raise UsageError(f"`kind` of Ablation must be one of {', '.join(get_args(Ablate))}; got {self.kind!r}.")
        if self.draws < 1:
            raise UsageError(f"`draws` of Ablation must be at least 1; got {self.draws}; the default is 2.")

    @property
    def text(self) -> TextSpan:
        """The text is the context alone."""
        return "context"

    def scores(self, model: Model, questions: Sequence[Question], advance: Advance | None = None) -> list[Scores]:
        """Score questions; see ``trimtab.contribution.method.Method``."""
        draws = 1 if self.kind == "blank" else self.draws
        versions = (
            [q.encoded, *(self._spoilt(q.prompt, m, f"{self.seed}/{m}/{n}") for m in PAIR for n in range(draws))]
            for q in questions
        )
        return [self._score(logits) for logits in answers_in_chunks(model, versions, advance)]

    def _spoilt(self, prompt: Prompt, modality: Modality, key: str) -> Prompt:
        if self.kind == "blank":
            return without(prompt, modality)
        chance = random.Random(key)
        if modality == "image":
            spoil = shuffled_picture if self.kind == "shuffle" else noise_picture
            return replace(prompt, images=tuple(spoil(image, chance) for image in prompt.images))
        words = shuffled_words if self.kind == "shuffle" else random_letters
        return replace(prompt, context=words(prompt.context or "", chance))

    def _score(self, logits: Tensor) -> Scores:
        effects = divergence("kl", logits[:1].expand(len(logits) - 1, -1), logits[1:])
        image, text = effects.view(len(PAIR), -1).mean(1).tolist()
        return Scores.of(image, text)


def without(prompt: Prompt, *modalities: Modality) -> Prompt:
    """Return a prompt with grey pictures of the same sizes, without its context, or both."""
    if "image" in modalities:
        prompt = replace(prompt, images=tuple(Image.new("RGB", image.size, GREY) for image in prompt.images))
    return replace(prompt, context=None) if "text" in modalities else prompt


def shuffled_picture(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Return a picture with its tiles in another order; a rim that no tile covers stays."""
    pixels = np.array(picture.convert("RGB"))
    high, wide = pixels.shape[0] // TILES, pixels.shape[1] // TILES
    places = [
        (slice(y * high, (y + 1) * high), slice(x * wide, (x + 1) * wide)) for y in range(TILES) for x in range(TILES)
    ]
    tiles = [pixels[place].copy() for place in places]
    chance.shuffle(tiles)
    for place, tile in zip(places, tiles, strict=True):
        pixels[place] = tile
    return Image.fromarray(pixels)


def noise_picture(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Return a picture of random pixels, as large as another."""
    return Image.frombytes("RGB", picture.size, chance.randbytes(3 * picture.width * picture.height))


def shuffled_words(text: str, chance: random.Random) -> str:
    """Return a text's words in another order."""
    words = text.split()
    chance.shuffle(words)
    return " ".join(words)


def random_letters(text: str, chance: random.Random) -> str:
    """Return a text with each letter replaced by a random one."""
    return re.sub(r"[^\W\d_]", lambda _: chance.choice(string.ascii_lowercase), text)
