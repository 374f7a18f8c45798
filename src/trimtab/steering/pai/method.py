"""Raised attention with guidance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from trimtab.engine import ModelOrEngine
from trimtab.fields import AtLeast, Between, Portion
from trimtab.modalities import Modality
from trimtab.steering.contrasting import BoostRule
from trimtab.steering.method import Parts, UntrainedMethod, register


@register
@dataclass(frozen=True)
class PAI(UntrainedMethod):
    """Raise the attention on the target's tokens (PAI, arXiv 2407.21771); its strength is the paper's alpha.

    Published toward the image only; its mirrors here raise the attention on the context, the sound or the clip.

    Attributes:
        target: The modality to follow.
        guidance: Weight of the raised prompt against the prompt without the target; the paper's 1.1.
        first_share: Raising begins at this share of the depth, rounded down; the paper's third of 32 layers. Of 12
            layers that is the first, so that none is spared.
        plausibility: Tokens below this share of the raised prompt's best are never chosen.
    """

    name: ClassVar[str] = "pai"
    title: ClassVar[str] = "PAI"
    colour: ClassVar[str] = "#117733"
    changes_prompt: ClassVar[bool] = True
    has_strength: ClassVar[bool] = True

    guidance: Annotated[float, AtLeast(1)] = 1.1
    first_share: Annotated[float, Between(0, 1, without="most")] = 2 / 32
    plausibility: Portion = 0.1

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return the contrast, with attention raised from a share of the depth on."""
        first = int(self.first_share * model.n_layers)
        return {"contrast": BoostRule(self.target, first, model.n_layers, self.guidance, self.plausibility)}
