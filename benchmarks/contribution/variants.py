"""The default, the readings of the Modality Contribution Score and its relatives, which the validation compares."""

from __future__ import annotations

from typing import Any

from trimtab.contribution import (
    MCS,
    Ablation,
    AttentionMass,
    GradientTimesInput,
    Method,
    Shapley,
)
from trimtab.contribution.options import Divergence


def _sampled(divergence: Divergence, **options: Any) -> MCS:
    return MCS(divergence=divergence, estimator="sampled", **options)


DEFAULT: dict[str, Method] = {"default": Shapley()}

READINGS: dict[str, Method] = {
    "kl limit": MCS(),
    "paper": MCS.paper(),
    "ce": _sampled("ce"),
    "ce reversed": _sampled("ce_reversed"),
    "kl": _sampled("kl"),
    "kl reversed": _sampled("kl_reversed"),
    "js": _sampled("js"),
    "probability": _sampled("probability"),
    "ce limit": MCS(divergence="ce"),
    "kl keys": MCS(entries="keys"),
    "kl values": MCS(entries="values"),
    "kl context": MCS(text="context"),
    "kl whole prompt": MCS(text="prompt"),
    "kl full gradient": MCS(gradient="full"),
    "kl by token": MCS(normalise="tokens"),
    "kl half variance": _sampled("kl", constant="half_variance"),
    "kl absolute": MCS(scale="absolute"),
    "kl of answers": _sampled("kl", vocabulary="answers"),
    "kl median": _sampled("kl", average="median", draws=5),
    "kl embeddings": _sampled("kl", site="embeddings"),
    "kl all steps": MCS(steps=8),
}
"""Named by what differs from the exact limit of KL, which is ``MCS()``; ``ce``, ``kl`` and their kin are sampled."""

RELATIVES: dict[str, Method] = {
    "shapley first token": Shapley(steps=1),
    "shapley log": Shapley("log_probability", steps=1),
    "ablation blank": Ablation("blank"),
    "ablation shuffle": Ablation("shuffle"),
    "ablation noise": Ablation("noise"),
    "attention mass": AttentionMass(),
    "gradient x input": GradientTimesInput(),
}

ALL: dict[str, Method] = DEFAULT | READINGS | RELATIVES
