"""Inside of one answer: attention to each part, what cutting links between parts does, and the heads that matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from trimtab.contribution import attention_to
from trimtab.engine import BlockAttention, ModelOrEngine, Prompt, Row, ScaleHeads, generate, run
from trimtab.modalities import PAIR, Modality

HEADS = 6
"""Heads that are shown."""

LINKS = {
    "picture to text": (("image",), ("context",)),
    "picture to question": (("image",), ("question",)),
    "text to question": (("context",), ("question",)),
    "picture to answer": (("image",), ("last", "generated")),
    "text to answer": (("context",), ("last", "generated")),
}
"""Source and target of each link: the target's tokens read the source's."""


@dataclass(frozen=True)
class Link:
    """What becomes of the answer when no layer lets one part read another.

    Attributes:
        name: The link, from what is read to what reads.
        answer: The answer without it.
        probability: Of the plain answer's first token without it.
    """

    name: str
    answer: str
    probability: float


@dataclass(frozen=True)
class Head:
    """What becomes of the answer when a head writes nothing at the last prompt token.

    Attributes:
        layer: Decoder block, 0-based.
        head: Query head, 0-based.
        probability: Of the plain answer's first token without it.
        attention: The head's attention from the last prompt token to each modality.
    """

    layer: int
    head: int
    probability: float
    attention: dict[Modality, float]


@dataclass(frozen=True)
class Inside:
    """What the model does on the way to its answer.

    Attributes:
        probability: Of the answer's first token.
        attention: By modality, the last prompt token's attention to it in each layer, the mean over heads; nan in a
            layer that carries a state instead of attending.
        links: The links between parts, cut in every layer that attends.
        heads: The heads whose absence changes the probability most, the largest change first.
    """

    probability: float
    attention: dict[Modality, tuple[float, ...]]
    links: tuple[Link, ...]
    heads: tuple[Head, ...]

    @property
    def carried(self) -> int:
        """How many layers carry a state instead of attending; through these, parts still reach each other."""
        return sum(math.isnan(share) for share in self.attention["image"])


def look_inside(model: ModelOrEngine, prompt: Prompt, max_new_tokens: int) -> Inside:
    """Look inside of one answer.

    Args:
        model: The model.
        prompt: A prompt with a picture and a text.
        max_new_tokens: Longest answer in tokens.

    Raises:
        UnsupportedEngineError: The engine has its model elsewhere.
    """
    masses: dict[Modality, Tensor] = {
        m: attention_to(model, [prompt], m)[0].sum(-1) for m in PAIR
    }  # each (layers, heads)
    attending = [layer for layer, heads in enumerate(masses["image"]) if heads.isfinite().all()]
    links = [BlockAttention(source, target, tuple(attending)) for source, target in LINKS.values()]
    cut = [Row(prompt, (link,)) for link in links]
    places = [(layer, head) for layer in attending for head in range(masses["image"].shape[1])]
    silenced = [Row(prompt, (ScaleHeads(layer, (head,), at=("last",)),)) for layer, head in places]
    plain, without = _first_token(model, [Row(prompt), *cut, *silenced])
    told = generate(model, cut, max_new_tokens=max_new_tokens, keep_broken=True).texts
    found = tuple(Link(*parts) for parts in zip(LINKS, told, without, strict=False))
    heads = [
        Head(layer, head, p, {m: float(mass[layer, head]) for m, mass in masses.items()})
        for (layer, head), p in zip(places, without[len(cut) :], strict=True)
    ]
    heads.sort(key=lambda one: -abs(one.probability - plain))
    means: dict[Modality, tuple[float, ...]] = {m: tuple(mass.mean(-1).tolist()) for m, mass in masses.items()}
    return Inside(plain, means, found, tuple(heads[:HEADS]))


def _first_token(model: ModelOrEngine, rows: Sequence[Row]) -> tuple[float, list[float]]:
    """Return the probability of the first row's likeliest token, in it and in each other row."""
    first, *others = run(model, rows).logits.softmax(-1)
    token = int(first.argmax())
    return float(first[token]), [float(other[token]) for other in others]
