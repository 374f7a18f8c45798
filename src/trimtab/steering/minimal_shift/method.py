"""Move a state along the mean vector just as far as it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from trimtab.engine import Predictor, Readings
from trimtab.steering.artifact import Artifact
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.looking import StrengthChooser
from trimtab.steering.mean import MeanDifference
from trimtab.steering.method import register
from trimtab.steering.training_set import TrainingSet


@register_chooser
@dataclass(frozen=True, eq=False)
class MinimalShiftChooser(StrengthChooser):
    """``max(0, level - w . h) / |w|^2`` for the artifact's vector w.

    Attributes:
        level: Where the projection of a state on w is to end.
    """

    kind: ClassVar[str] = "minimal_shift"

    level: float

    def factors(self, seen: Readings, artifact: Artifact) -> Tensor:
        """Measure what every prompt's plain state lacks."""
        assert artifact.layer is not None
        assert isinstance(artifact.direction, Tensor)
        lack = self.level - seen.hidden[artifact.layer] @ artifact.direction
        return lack.clamp_min(0) / artifact.direction.square().sum().clamp_min(1e-12)


@register
@dataclass(frozen=True)
class MinimalShift(MeanDifference):
    """The closed form of MERA (arXiv 2510.13290) along the mean vector.

    MERA moves a state to where a probe's error estimate passes a calibrated level; here the level is the mean
    projection of the training items' states under the instruction to follow the target, and the strength, tuned like
    every method's, calibrates it. See ``MeanDifference`` for the attributes.
    """

    name: ClassVar[str] = "minimal_shift"
    title: ClassVar[str] = "minimal shift"
    phrase: ClassVar[str] = ""
    colour: ClassVar[str] = "#DDCC77"

    def choose(
        self, train: TrainingSet, layer: int, direction: Tensor | Predictor
    ) -> tuple[Chooser | None, dict[str, Any]]:
        """Find the level."""
        assert isinstance(direction, Tensor)
        level = float((train.states.instructed[self.target][layer] @ direction).mean())
        return MinimalShiftChooser(level), {"level": level}
