"""What of an artifact is kept in which file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trimtab.artifact_folder import write_artifact
from trimtab.engine import Predictor
from trimtab.steering.card import model_card
from trimtab.steering.contrasting import RULES

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

FIELDS = (
    "method",
    "target",
    "layer",
    "strength",
    "positions",
    "instruction",
    "placement",
    "without",
    "label",
    "model_name",
    "model_fingerprint",
    "data_fingerprint",
    "fitted_items",
    "options",
    "metrics",
)
"""Fields of an artifact kept in ``config.json`` as they are; tensors are in the weights."""

PREDICTOR_TENSORS = ("w_in", "b_in", "w_out", "b_out")
CHOOSER_PREFIX = "chooser."
"""Before the names of a chooser's tensors."""


def save_artifact(artifact: Artifact, folder: Path) -> Path:
    """Write an artifact; see ``Artifact.save``."""
    config: dict[str, Any] = {name: getattr(artifact, name) for name in FIELDS}
    contrast, chooser = artifact.contrast, artifact.chooser
    kind = next((name for name, rule in RULES.items() if isinstance(contrast, rule)), None)
    config["contrast"] = None if contrast is None else {"kind": kind, **asdict(contrast)}
    config["chooser"] = None if chooser is None else {"kind": chooser.kind, **chooser.config()}
    return write_artifact(folder, config, _tensors(artifact), lambda: model_card(artifact))


def _tensors(artifact: Artifact) -> dict[str, Tensor]:
    chooser = {} if artifact.chooser is None else artifact.chooser.tensors()
    found = {CHOOSER_PREFIX + name: tensor.contiguous() for name, tensor in chooser.items()}
    direction = artifact.direction
    if isinstance(direction, Predictor):
        return found | {name: getattr(direction, name).contiguous() for name in PREDICTOR_TENSORS}
    return found if direction is None else found | {"vector": direction.contiguous()}
