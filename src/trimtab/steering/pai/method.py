"""Raised attention with guidance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from trimtab.fields import AtLeast, Between, Portion
from trimtab.items import Item
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.contrasting import BoostRule
from trimtab.steering.method import Method, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class PAI(Method):
    """Raise the attention on the target's tokens (PAI, arXiv 2407.21771); its strength is the paper's alpha.

    Published toward the image only; the text-ward mirror here raises the attention on the context.

    Attributes:
        target: The modality to follow.
        guidance: Weight of the raised prompt against the prompt without the target; the paper's 1.1.
        first_share: Raising begins at this share of the depth; the paper's third of 32 layers.
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

    def fit(self, model: Model, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT) -> Artifact:
        """Learn nothing; the items are not looked at."""
        first = int(self.first_share * model.n_layers)
        rule = BoostRule(self.target, first, model.n_layers, self.guidance, self.plausibility)
        return Artifact(self.name, self.target, model.name, model.fingerprint, contrast=rule, options=self.options())
