"""The baseline that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from trimtab.items import Item
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.method import Method, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class NoSteering(Method):
    """The model as it is; the target only says what counts as following."""

    name: ClassVar[str] = "none"
    title: ClassVar[str] = "none"
    colour: ClassVar[str] = "#767676"

    def fit(self, model: Model, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT) -> Artifact:
        """Learn nothing; the items are not looked at."""
        return Artifact(self.name, self.target, model.name, model.fingerprint, strength=0.0)
