"""How a model is hardened: the views, the parts of the objective, and the training around them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from trimtab.errors import MissingDependencyError, UsageError
from trimtab.fields import AtLeast, Count, CountFrom0, Positive, Share, check_fields
from trimtab.interference.perturbations import PERTURBATIONS
from trimtab.items import RELEVANT, relevant_name
from trimtab.modalities import PAIR, SHOWN, Modality, in_order

Consistency = Literal["none", "kl", "js"]
Method = Literal["lora", "full"]
Span = Literal["context", "all"]

SEEN = ("unrelated_text", "misleading_text", "other_image", "noise_image")
"""Perturbations a model is hardened with by default; the others test what it makes of kinds it never met."""


def usual(modalities: Collection[Modality]) -> tuple[str, ...]:
    """Return the perturbations that a model of some modalities is hardened with by default.

    Those of ``SEEN``; for a model without eyes, the same of the first medium that it is shown in pictures' place.
    """
    if "image" in modalities:
        return SEEN
    shown = next((kind for kind in SHOWN if kind in modalities), None)
    names = [name if not name.endswith("_image") else name.replace("image", shown or "") for name in SEEN]
    return tuple(name for name in names if name in PERTURBATIONS)


@dataclass(frozen=True)
class AttackConfig:
    """Projected gradient descent on the embeddings of the modality that does not matter.

    Sizes are shares of the root mean square of the embeddings they are added to, so that one setting means the same
    for every model and for text and image positions alike. The paper's code instead adds 1e-3 and steps by 0.1 times
    the raw gradient of the batch's mean loss, which leaves little more than its random start.

    Attributes:
        size: Largest change of any coordinate, as a share of the row's root mean square.
        step: Change of a coordinate in one step, as a share of ``size``.
        steps: Steps; 0 is noise of that size.
        text: Positions attacked where the text does not matter: ``context``, its own; or ``all`` positions outside the
            picture, question and options included, as in the paper's code.
    """

    size: Positive = 0.5
    step: Positive = 0.5
    steps: CountFrom0 = 3
    text: Span = "context"

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters on the linear maps of the text decoder, and of it alone.

    Attributes:
        rank: Rank of each adapter.
        alpha: An adapter's output is scaled by ``alpha / rank``.
    """

    rank: Count = 16
    alpha: Positive = 32.0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class HardenConfig:
    """Everything that a hardening run depends on, beside the model and the items.

    The loss is ``L_sft + L_adv + weight * L_consistency`` (arXiv 2505.19616), each an average over the items of a
    batch, whose views share their item's weight.

    Attributes:
        perturbations: Each image-relevant or text-relevant item is also seen under each of these that fits it.
        attack: The adversarial part; None leaves it out.
        consistency: Divergence of each other view's answer from the clean view's: ``kl``, ``js`` or ``none``.
        weight: Weight of the consistency.
        mixture: Items of each family in every so many; families are cycled, so none starves and none ends the run.
            Left out, one of each family that the items have.
        method: ``lora`` trains adapters, ``full`` all weights of the text decoder.
        lora: The adapters.
        steps: Optimiser steps.
        batch_size: Items of a step.
        micro_batch: Items of a forward pass; gradients of several add up to a step. Halved when memory runs out.
        learning_rate: Peak rate; rises over ``warmup`` of the steps and falls to zero as a cosine.
        warmup: Share of the steps.
        weight_decay: AdamW's.
        max_grad_norm: Largest norm of the gradient.
        evaluate_every: Steps between evaluations and checkpoints.
        patience: Evaluations without a better result before training stops; 0 never stops it.
        evaluation_items: Validation items of each evaluation.
        precision: ``float32``, or ``bfloat16`` or ``float16`` for mixed precision.
        checkpointing: Recompute activations in the backward pass.
        shard: Spread the decoder's layers over the processes, for a model that no device holds whole (FSDP).
        num_workers: Processes that prepare the data.
        report_to: Back ends of ``transformers`` that training is logged to, such as ``tensorboard`` or ``wandb``.
        seed: Seed of everything random.
    """

    perturbations: tuple[str, ...] = SEEN
    attack: AttackConfig | None = None
    consistency: Consistency = "kl"
    weight: Positive = 1.0
    mixture: dict[str, Count] | None = None
    method: Method = "lora"
    lora: LoraConfig = field(default_factory=LoraConfig)
    steps: Count = 200
    batch_size: Count = 8
    micro_batch: Count | None = None
    learning_rate: Positive = 2e-4
    warmup: Share = 0.03
    weight_decay: Annotated[float, AtLeast(0)] = 1e-4
    max_grad_norm: Positive = 1.0
    evaluate_every: Count = 50
    patience: CountFrom0 = 0
    evaluation_items: Count = 60
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    checkpointing: bool = False
    shard: bool = False
    num_workers: CountFrom0 = 0
    report_to: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for name in self.perturbations:
            if PERTURBATIONS.named(name).kind != "irrelevant":
                raise UsageError(
                    f"`perturbations` of HardenConfig must leave what matters as it is; {name} exchanges it."
                )
        if self.micro_batch is not None and self.micro_batch > self.batch_size:
            raise UsageError(
                f"`micro_batch` of HardenConfig must be in 1..{self.batch_size}, `batch_size`; got {self.micro_batch}."
            )
        if self.shard and self.method == "full" and self.precision == "float16":
            raise UsageError(
                "`precision` of HardenConfig must be float32 or bfloat16 where all weights are trained and shared out, "
                "since float16 scales gradients that are not in one place; got float16; choose another."
            )
        _check_report_to(self.report_to)
        if self.mixture is not None and not (self.mixture and all(map(_is_family, self.mixture))):
            raise UsageError(
                f"`mixture` of HardenConfig must give {', '.join(RELEVANT)}, or the like, whole shares; got "
                f"{self.mixture}."
            )


def _is_family(name: str) -> bool:
    """Whether a name is what columns call some modalities."""
    parts = PAIR if name == RELEVANT[-1] else name.split("+")
    return relevant_name(in_order(parts)) == name


def _check_report_to(names: tuple[str, ...]) -> None:
    """Refuse back ends that training cannot be logged to, before there is anything to log."""
    if not names or set(names) <= {"none"}:
        return
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in names:
        _one_of("HardenConfig", "report_to", name, (*INTEGRATION_TO_CALLBACK, "all", "none"))
        if name not in ("all", "none", *get_available_reporting_integrations()):
            raise MissingDependencyError(
                f"`report_to` of HardenConfig must name installed packages; {name} is not; run: pip install {name}."
            )


def _one_of(owner: str, name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"`{name}` of {owner} must be one of {', '.join(known)}; got {value!r}.")


PAPER = HardenConfig(
    perturbations=("unrelated_text", "misleading_text", "noise_image", "other_image", "black_image", "white_image"),
    attack=AttackConfig(size=0.05, step=0.5, steps=2, text="all"),
    consistency="kl",
    weight=0.01,
    mixture={"image": 2, "text": 2, "both": 4},
    method="full",
    learning_rate=2e-5,
)
"""The paper's parts and proportions, without the defects of its code."""

VARIANTS: dict[str, dict[str, Any]] = {
    "more_vqa": {"mixture": {"both": 1}, "perturbations": (), "consistency": "none", "attack": None},
    "augmented": {"consistency": "none", "attack": None},
    "kl": {"consistency": "kl", "attack": None},
    "js": {"consistency": "js", "attack": None},
    "adversarial": {"consistency": "none", "attack": AttackConfig()},
    "all": {"consistency": "kl", "attack": AttackConfig()},
}
"""The paper's ablation, as changes to a configuration; before them stands ``vanilla``, the model as it is."""


def variant(config: HardenConfig, name: str) -> HardenConfig:
    """Return a configuration changed to a variant of the ablation.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in VARIANTS:
        raise UsageError(f"`variant` must be one of {', '.join(VARIANTS)}; got {name!r}.")
    changes = dict(VARIANTS[name])
    if config.attack is not None and changes.get("attack") is not None:
        changes["attack"] = config.attack  # its size and steps are the caller's to choose
    return replace(config, **changes)
