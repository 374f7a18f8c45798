"""Which contrast a decoding method makes of a prompt."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from trimtab.engine import PARTS_OF, BoostAttention, Capability, Contrast, FlattenAttention, Prompt, Row
from trimtab.errors import UsageError
from trimtab.media import Made
from trimtab.modalities import Modality
from trimtab.models import Counterfactual

Against = Literal["dropped", "noise"]
Form = Literal["difference", "ratio"]
Halves = Literal["both", "vision", "language"]

STEPS = 1000
"""Steps of VCD's diffusion; the last one leaves noise alone."""


@dataclass(frozen=True)
class ContrastRule:
    """Decode against the same prompt with one modality taken away: what it adds to the answer is amplified.

    Attributes:
        modality: The modality to amplify.
        against: ``dropped``: it is left out (VDD, arXiv 2403.05262); ``noise``: its picture is covered with noise
            (VCD, arXiv 2311.16922).
        form: ``difference``: ``(1 + a) log p - a log p'``; ``ratio``: ``log p - a log p'``, post-hoc debiasing.
        plausibility: See ``Contrast``.
        noise_step: Diffusion step of the noise, of 1,000.
    """

    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOGITS})

    modality: Modality
    against: Against = "dropped"
    form: Form = "difference"
    plausibility: float = 0.1
    noise_step: int = 500

    def __post_init__(self) -> None:
        if self.against == "noise" and self.modality != "image":
            raise UsageError(
                f"`target` of a contrast against noise must be 'image', since it is the picture that is covered; got "
                f"{self.modality!r}; the method vdd has a text-ward form."
            )

    def ask(self, prompt: Prompt, strength: float) -> Contrast:
        """Return the contrast of a prompt; ``strength`` is the papers' alpha."""
        weights = (1 + strength, -strength) if self.form == "difference" else (1.0, -strength)
        return Contrast((Row(prompt), Row(self.bereft(prompt))), weights, self.plausibility)

    def bereft(self, prompt: Prompt) -> Prompt:
        """Return the prompt with the modality taken away."""
        if self.against == "dropped":
            return prompt.without(self.modality)
        return replace(
            prompt, images=tuple(Made(image, partial(noisy, step=self.noise_step)) for image in prompt.images)
        )


@dataclass(frozen=True)
class BoostRule:
    """Raise the attention on one modality, and decode against the prompt without it (PAI, arXiv 2407.21771).

    Attributes:
        modality: The modality whose tokens to look at; of the text, the context's.
        first_layer: Where raising begins; it goes on to the last layer.
        layers: The model's number of layers.
        guidance: Weight of the raised prompt's log-probabilities; 1 leaves the contrast out.
        plausibility: See ``Contrast``.
    """

    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOGITS, Capability.EDIT_SCORES})

    modality: Modality
    first_layer: int
    layers: int
    guidance: float = 1.1
    plausibility: float = 0.1

    def ask(self, prompt: Prompt, strength: float) -> Contrast:
        """Return the contrast of a prompt; ``strength`` is the paper's alpha."""
        layers = tuple(range(self.first_layer, self.layers))
        places = ("last", "generated")
        boost = BoostAttention(PARTS_OF[self.modality], places, layers, strength)
        edits = (boost,) if self.modality in prompt.modalities else ()
        rows = (Row(prompt, edits), Row(prompt.without(self.modality)))
        return Contrast(rows, (self.guidance, 1 - self.guidance), self.plausibility)


@dataclass(frozen=True)
class CausalRule:
    """Decode against counterfactual attention, the vision tower's and the decoder's (CausalMM, arXiv 2410.04780).

    Attributes:
        layers: The model's number of layers; the attention of all is made uniform.
        halves: ``vision``: the picture's patches are weighted by a changed map of attention; ``language``: all
            attention of the decoder is uniform; ``both``: a row for each.
        image_counterfactual: How the vision tower's map is changed.
        plausibility: See ``Contrast``.
    """

    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOGITS, Capability.EDIT_SCORES})

    layers: int
    halves: Halves = "both"
    image_counterfactual: Counterfactual = "shuffle"
    plausibility: float = 0.1

    def ask(self, prompt: Prompt, strength: float) -> Contrast:
        """Return ``(1 + n g) log p`` minus ``g log p'`` of each of the n halves; ``strength`` is the paper's g."""
        halves = []
        if self.halves != "language":
            halves.append(Row(prompt.with_image_counterfactual(self.image_counterfactual)))
        if self.halves != "vision":
            halves.append(Row(prompt, (FlattenAttention(("all",), ("all",), tuple(range(self.layers)), 1.0),)))
        weights = (1 + len(halves) * strength, *[-strength] * len(halves))
        return Contrast((Row(prompt), *halves), weights, self.plausibility)


Rule = ContrastRule | BoostRule | CausalRule
RULES: dict[str, type[Rule]] = {"contrast": ContrastRule, "boost": BoostRule, "causal": CausalRule}
"""Rules by the name under which artifacts keep them."""


def noisy(image: Image.Image, step: int) -> Image.Image:
    """Cover a picture with VCD's noise; equal pictures get equal noise.

    The forward process of diffusion with ``beta_t = sigmoid(linspace(-6, 6)) (0.005 - 0.00001) + 0.00001``, on
    pixels scaled to -1..1 and cut there again, where VCD adds it to the normalised ones.
    """
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 127.5 - 1
    betas = (0.005 - 0.00001) / (1 + np.exp(-np.linspace(-6, 6, STEPS))) + 0.00001
    kept = np.cumprod(1 - betas)[step]
    noise = np.random.default_rng(zlib.crc32(pixels.tobytes())).standard_normal(pixels.shape)
    covered = np.sqrt(kept) * pixels + np.sqrt(1 - kept) * noise
    return Image.fromarray(np.round((covered.clip(-1, 1) + 1) * 127.5).astype(np.uint8))
