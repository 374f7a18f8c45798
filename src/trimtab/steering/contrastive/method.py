"""Decode against the same prompt with the target modality taken away."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from trimtab.engine import ModelOrEngine
from trimtab.fields import Between, Portion
from trimtab.modalities import Modality
from trimtab.models import Counterfactual
from trimtab.steering.contrasting import STEPS, CausalRule, ContrastRule, Form, Halves, Rule
from trimtab.steering.method import Parts, UntrainedMethod, register


@dataclass(frozen=True)
class ContrastiveMethod(UntrainedMethod):
    """A method that needs no training; its strength is the papers' alpha.

    Attributes:
        target: The modality to follow, whose effect on the answer is amplified.
        plausibility: Tokens below this share of the plain prompt's best are never chosen.
    """

    has_strength: ClassVar[bool] = True
    changes_prompt: ClassVar[bool] = True

    plausibility: Portion = 0.1

    @abstractmethod
    def rule(self, model: ModelOrEngine) -> Rule:
        """Return the contrast."""

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return the contrast."""
        return {"contrast": self.rule(model)}


@register
@dataclass(frozen=True)
class VCD(ContrastiveMethod):
    """Visual contrastive decoding (arXiv 2311.16922): against the picture under noise; toward the image only.

    Attributes:
        noise_step: Diffusion step of the noise, of 1,000.
    """

    name: ClassVar[str] = "vcd"
    title: ClassVar[str] = "VCD"
    colour: ClassVar[str] = "#F0E442"
    targets: ClassVar[tuple[Modality, ...]] = ("image",)

    noise_step: Annotated[int, Between(0, STEPS - 1)] = 500

    def rule(self, model: ModelOrEngine) -> ContrastRule:
        """Return the contrast against noise."""
        return ContrastRule("image", "noise", plausibility=self.plausibility, noise_step=self.noise_step)


@register
@dataclass(frozen=True)
class VDD(ContrastiveMethod):
    """Visual debias decoding (arXiv 2403.05262): against the prompt without the picture.

    Published toward the image only; its mirrors here contrast with the prompt without its context, sound or clip.

    Attributes:
        form: ``difference``: VDD; ``ratio``: the paper's post-hoc debiasing, for questions with options.
    """

    name: ClassVar[str] = "vdd"
    title: ClassVar[str] = "VDD"
    colour: ClassVar[str] = "#E69F00"

    form: Form = "difference"

    def rule(self, model: ModelOrEngine) -> ContrastRule:
        """Return the contrast against the prompt without the target modality."""
        return ContrastRule(self.target, "dropped", self.form, self.plausibility)


@register
@dataclass(frozen=True)
class CausalMM(ContrastiveMethod):
    """CausalMM (arXiv 2410.04780): against counterfactual attention of the vision tower and of the decoder.

    It takes away what the model says whatever it looks at, and so favours what it looks at; the paper means the image.
    In the language half all attention of the decoder is uniform. In the vision half the tower's map of attention is
    changed and multiplied onto the patches' features before the projector: of CLIP the class token's attention, of
    Qwen2.5-VL's tower the mean over queries, behind the merger's norm, which would undo it.

    One thing is our reading. The released code resizes a head's whole table of queries by keys to the grid of patches,
    as if it were a picture; here each patch has its own attention. Either is about 1/n, which leaves next to nothing of
    the picture. See ``ContrastiveMethod`` for the other attributes; the strength is the paper's gamma.

    Attributes:
        halves: ``both``, the paper's; ``vision`` or ``language`` alone.
        image_counterfactual: How the vision tower's map is changed; ``shuffle`` is the paper's.
    """

    name: ClassVar[str] = "causalmm"
    title: ClassVar[str] = "CausalMM"
    colour: ClassVar[str] = "#661100"
    targets: ClassVar[tuple[Modality, ...]] = ("image",)

    halves: Halves = "both"
    image_counterfactual: Counterfactual = "shuffle"

    def rule(self, model: ModelOrEngine) -> CausalRule:
        """Return the contrast against the halves chosen; uniform attention is at all layers."""
        return CausalRule(model.n_layers, self.halves, self.image_counterfactual, self.plausibility)
