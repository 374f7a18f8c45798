"""What the jobs try a model on: fresh media of each kind that it takes, in several sizes, prompts and items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from trimtab.circuits import Cases, build_cases
from trimtab.engine import Encoded, Prompt, encode
from trimtab.errors import UnsupportedMethodError, UnsupportedModelError
from trimtab.items import Evidence, Item
from trimtab.modalities import Modality, in_order
from trimtab.models import Model
from trimtab.testing.media import clip, picture, sound

PICTURES = ((56, 56), (84, 56), (56, 112), (30, 30), (200, 90))
SECONDS = (1.0, 0.6, 1.5, 0.4, 2.3)
RATE = 16_000
CLIPS = ((4, (56, 56)), (2, (84, 56)), (6, (56, 84)), (3, (56, 56)), (8, (112, 56)))

Maker = Callable[[int, int], Any]
"""Makes the medium of a seed in one of ``SIZES`` sizes, by its number."""

SIZES = 5
MAKERS: dict[Modality, Maker] = {
    "image": lambda seed, size: picture(seed, PICTURES[size]),
    "audio": lambda seed, size: sound(seed, SECONDS[size], RATE),
    "video": lambda seed, size: clip(seed, *CLIPS[size]),
}

CONTEXT = "Two cats play with a ball in the garden."
INSTRUCTION = "In case there is an inconsistency, you should follow the text context."
ANSWERS = ("one", "two", "three", "red")
CHOICES = ("the dog", "the cat")


class Subject:
    """A model with all that jobs ask it.

    Attributes:
        model: The model.
        kinds: The modalities that it can be shown, in the order of tables.
    """

    def __init__(self, model: Model, makers: Mapping[Modality, Maker] | None = None) -> None:
        """Take a model.

        Args:
            model: The model, which should be small: some hundred forward passes are made, and gradients taken.
            makers: How media are made, by modality; left out, random ones of some dozen pixels and of a second or two.
        """
        self.model = model
        self.kinds: tuple[Modality, ...] = in_order(model.placeholders)
        self._makers = {**MAKERS, **(makers or {})}

    def medium(self, kind: Modality, seed: int = 0, size: int = 0) -> Any:
        """Return a medium, the same for the same seed and size; those of a size take as many positions."""
        return self._makers[kind](seed, size % SIZES)

    def media(self, kind: Modality, n: int = SIZES) -> list[Any]:
        """Return media of one kind for one prompt, each of another size if the model takes that."""
        return [self.medium(kind, number, number * (kind in self.mixed)) for number in range(n)]

    def mixed_prompt(self, kind: Modality) -> Prompt:
        """Return a prompt of media of a kind in all sizes."""
        return Prompt("What is it?", media={kind: [self.medium(kind, size, size) for size in range(SIZES)]})

    @cached_property
    def mixed(self) -> tuple[Modality, ...]:
        """The kinds whose media may be of several sizes in one prompt."""
        found = []
        for kind in self.kinds:
            with suppress(UnsupportedMethodError, UnsupportedModelError):
                encode(self.model, self.mixed_prompt(kind))
                found.append(kind)
        return tuple(found)

    @property
    def prompt(self) -> Prompt:
        """A medium of the first kind, a context and an instruction."""
        return Prompt(
            "What color is it?", (), CONTEXT, INSTRUCTION, media={self.kinds[0]: [self.medium(self.kinds[0])]}
        )

    @cached_property
    def prompts(self) -> list[Prompt]:
        """Prompts of many shapes: none, one and several media of mixed sizes, with and without a context."""
        first, plain = self.kinds[0], self.prompt
        found = [
            plain,
            plain.with_instruction(None),
            plain.with_instruction(INSTRUCTION, "after_question"),
            Prompt("How many cats are there?", (), CONTEXT),
            Prompt("How many are there?", media={first: self.media(first, 3)[1:]}),
            Prompt("Who is happy?", (), "A dog sleeps.", choices=CHOICES, media={first: self.media(first)[3:]}),
            *(Prompt("What is it?", media={kind: self.media(kind, 2)}) for kind in self.kinds[1:]),
        ]
        if len(self.kinds) > 1:
            found.append(Prompt("What is it?", (), CONTEXT, media={kind: self.media(kind, 1) for kind in self.kinds}))
        return found

    @staticmethod
    def behind(encoded: Encoded, kind: Modality) -> tuple[int, ...]:
        """Return the three tokens behind the media of a kind, which see some of them in every layer."""
        last = int(encoded.spans[kind][-1])
        return last + 1, last + 2, last + 3

    @property
    def layers(self) -> tuple[int, ...]:
        """The first layer, a middle one and the last."""
        return tuple(sorted({0, self.model.n_layers // 2, self.model.n_layers - 1}))

    @property
    def attending(self) -> tuple[int, ...]:
        """The first layer that attends, a middle one and the last: other layers carry a state and have no heads."""
        found = [layer for layer, attends in enumerate(self.model.attends) if attends]
        return tuple(sorted({found[0], found[len(found) // 2], found[-1]}))

    @property
    def widest(self) -> int:
        """The last of the layers that see most of a prompt."""
        sizes = [float("inf") if window is None else window for window in self.model.windows]
        every = (layer for layer, attends in enumerate(self.model.attends) if attends)
        return max(every, key=lambda layer: (sizes[layer], layer))

    @property
    def heads(self) -> tuple[int, int]:
        """The first head and the last."""
        return 0, self.model.n_heads - 1

    def vector(self, seed: int = 0) -> Tensor:
        """Return a random direction, ``(hidden,)``."""
        return torch.randn(self.model.hidden_size, generator=torch.Generator().manual_seed(seed))

    @cached_property
    def items(self) -> list[Item]:
        """Conflict items, with an answer of each kind and of the context, and options."""
        return [self._item(number) for number in range(2)]

    def _item(self, number: int) -> Item:
        shown: dict[Modality, Evidence] = {
            kind: Evidence(self.medium(kind, number, number), answer)
            for kind, answer in zip(self.kinds, ANSWERS[1:], strict=False)
        }
        question = ("What is it?", "How many cats are there?")[number]
        told = Evidence(f"There is {ANSWERS[0]} {('dog', 'happy cat')[number]}.", ANSWERS[0])
        evidence: dict[Modality, Evidence] = {**shown, "text": told}
        return Item(f"item-{number}", "things", question, evidence)

    @cached_property
    def cases(self) -> Cases:
        """The items under the instruction for each of their modalities."""
        return build_cases(self.model, self.items)

    @torch.no_grad()
    def own_logits(self, prompt: Prompt | Encoded) -> Tensor:
        """Return what the model's own ``forward`` says of a prompt, ``(length, vocabulary)``."""
        asked = prompt if isinstance(prompt, Encoded) else encode(self.model, prompt)
        given = self.model.family.native_inputs(self.model.hf, asked.ids, asked.media)
        return self.model.hf(**given, use_cache=False).logits[0].float()
