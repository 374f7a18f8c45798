"""The baseline that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.engine import ModelOrEngine
from trimtab.modalities import Modality
from trimtab.steering.method import Parts, UntrainedMethod, register


@register
@dataclass(frozen=True)
class NoSteering(UntrainedMethod):
    """The model as it is; the target only says what counts as following."""

    name: ClassVar[str] = "none"
    title: ClassVar[str] = "none"
    colour: ClassVar[str] = "#767676"

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return a strength of 0."""
        return {"strength": 0.0}
