"""The readings of the Modality Contribution Score, and its relatives, that the validation compares."""

from __future__ import annotations

from trimtab.contribution import (
    Ablation,
    AttentionMass,
    ContributionConfig,
    GradientTimesInput,
    Method,
    Shapley,
)

READINGS: dict[str, Method] = {
    "default": ContributionConfig(),
    "paper": ContributionConfig.paper(),
    "ce": ContributionConfig(divergence="ce"),
    "ce reversed": ContributionConfig(divergence="ce_reversed"),
    "kl": ContributionConfig(divergence="kl"),
    "kl reversed": ContributionConfig(divergence="kl_reversed"),
    "js": ContributionConfig(divergence="js"),
    "probability": ContributionConfig(divergence="probability"),
    "kl limit": ContributionConfig(divergence="kl", estimator="limit"),
    "ce limit": ContributionConfig(divergence="ce", estimator="limit"),
    "kl keys": ContributionConfig(divergence="kl", estimator="limit", entries="keys"),
    "kl values": ContributionConfig(divergence="kl", estimator="limit", entries="values"),
    "kl context": ContributionConfig(divergence="kl", estimator="limit", text="context"),
    "kl whole prompt": ContributionConfig(divergence="kl", estimator="limit", text="prompt"),
    "kl full gradient": ContributionConfig(divergence="kl", estimator="limit", gradient="full"),
    "kl by token": ContributionConfig(divergence="kl", estimator="limit", normalise="tokens"),
    "kl half variance": ContributionConfig(divergence="kl", constant="half_variance"),
    "kl absolute": ContributionConfig(divergence="kl", estimator="limit", scale="absolute"),
    "kl of answers": ContributionConfig(divergence="kl", vocabulary="answers"),
    "kl median": ContributionConfig(divergence="kl", average="median", draws=5),
    "kl embeddings": ContributionConfig(divergence="kl", site="embeddings"),
    "kl all steps": ContributionConfig(divergence="kl", estimator="limit", steps=8),
}
"""Named by what differs from the default; where it says limit, draws and sigmas do not matter."""

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
