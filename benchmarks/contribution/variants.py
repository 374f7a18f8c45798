"""The readings of the Modality Contribution Score, and its relatives, that the validation compares."""

from __future__ import annotations

from typing import Any

from trimtab.contribution import (
    Ablation,
    AttentionMass,
    ContributionConfig,
    GradientTimesInput,
    Method,
    Shapley,
)
from trimtab.contribution.config import Divergence


def _sampled(divergence: Divergence, **options: Any) -> ContributionConfig:
    return ContributionConfig(divergence=divergence, estimator="sampled", **options)


READINGS: dict[str, Method] = {
    "default": ContributionConfig(),
    "paper": ContributionConfig.paper(),
    "ce": _sampled("ce"),
    "ce reversed": _sampled("ce_reversed"),
    "kl": _sampled("kl"),
    "kl reversed": _sampled("kl_reversed"),
    "js": _sampled("js"),
    "probability": _sampled("probability"),
    "ce limit": ContributionConfig(divergence="ce"),
    "kl keys": ContributionConfig(entries="keys"),
    "kl values": ContributionConfig(entries="values"),
    "kl context": ContributionConfig(text="context"),
    "kl whole prompt": ContributionConfig(text="prompt"),
    "kl full gradient": ContributionConfig(gradient="full"),
    "kl by token": ContributionConfig(normalise="tokens"),
    "kl half variance": _sampled("kl", constant="half_variance"),
    "kl absolute": ContributionConfig(scale="absolute"),
    "kl of answers": _sampled("kl", vocabulary="answers"),
    "kl median": _sampled("kl", average="median", draws=5),
    "kl embeddings": _sampled("kl", site="embeddings"),
    "kl all steps": ContributionConfig(steps=8),
}
"""Named by what differs from the default, the exact limit of KL; ``ce``, ``kl`` and their kin are sampled."""

RELATIVES: dict[str, Method] = {
    "shapley": Shapley(),
    "shapley log": Shapley("log_probability"),
    "ablation blank": Ablation("blank"),
    "ablation shuffle": Ablation("shuffle"),
    "ablation noise": Ablation("noise"),
    "attention mass": AttentionMass(),
    "gradient x input": GradientTimesInput(),
}

ALL: dict[str, Method] = READINGS | RELATIVES
