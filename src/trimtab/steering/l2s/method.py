"""Learn-to-Steer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from trimtab.engine import Predictor
from trimtab.steering.l2s.network import NetworkConfig, fit_network
from trimtab.steering.method import VectorMethod, register
from trimtab.steering.training_set import Contrast, TrainingSet


@register
@dataclass(frozen=True)
class L2S(VectorMethod):
    """A network that predicts each item's steering vector from its plain state (arXiv 2508.12815).

    The vector is a difference of states, ``z = h(X+) - h(X-)``, and the network ``g`` learns ``g(h(X)) ~ z`` from the
    state of the last prompt token; ``strength * g`` is added. The paper forces completions upon the model for X+ and
    X-. AMPS, which builds on it, gives instructions instead (arXiv 2602.12533, eq. 11). By default so does this, so
    that L2S and AMPS differ in the scaling alone. Other deviations: state and vector are of one layer (the paper reads
    the state at a later one in its safety task), and the vector is added from the last prompt token on (the released
    code adds it everywhere). See ``VectorMethod`` for the other attributes.

    Attributes:
        contrast: ``"instruction"``: states at the last prompt token under the instruction to follow the target, less
            those under the others' (AMPS's); ``"completion"``: states under the forced answer of the target, less
            those under the others' (the paper's); see ``collect_completions``. It needs items with an answer of each
            modality.
        network: Size and training of the network.
    """

    name: ClassVar[str] = "l2s"
    title: ClassVar[str] = "L2S"
    colour: ClassVar[str] = "#0072B2"
    compared_with: ClassVar[tuple[str, ...]] = ("none",)
    forms: ClassVar[tuple[str, ...]] = ("predictor",)

    contrast: Contrast = "instruction"
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def learn(self, train: TrainingSet, layer: int) -> tuple[Predictor, dict[str, Any]]:
        """Train the network on the items' steering vectors."""
        vectors = train.vectors(self.target, layer, self.contrast)
        return fit_network(train.states.plain[layer], vectors, self.network, self.seed)
