"""Hidden states that steering is learned from: each item asked plainly and under either instruction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.data import Item, Skipped
from trimtab.data.prompts import INSTRUCTIONS, MODALITIES, Modality, opposite, prompt_for
from trimtab.engine import Prompt, Read, Row, run
from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.models import Model

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class States:
    """States at the last prompt token, by layer, a row of ``(items, hidden)`` for each item; float32, CPU.

    Attributes:
        items: The items that could be asked.
        plain: States without an instruction: h_[I,T] of AMPS (arXiv 2602.12533, eq. 13).
        instructed: States under the instruction to follow a modality: h_[I,T,P].
        skipped: Items left out because their image is missing or corrupt.
    """

    items: tuple[Item, ...]
    plain: dict[int, Tensor]
    instructed: dict[Modality, dict[int, Tensor]]
    skipped: tuple[Skipped, ...] = ()

    def steering_vectors(self, target: Modality, layer: int) -> Tensor:
        """Return each item's steering vector ``h_[I,T,P+] - h_[I,T,P-]``, ``(items, hidden)``.

        P+ names the target and P- the other modality (AMPS eq. 11 without its scaling).
        """
        return self.instructed[target][layer] - self.instructed[opposite(target)][layer]

    def at(self, kept: Sequence[int]) -> States:
        """Return the states of some of the items, by their places."""
        rows = list(kept)
        plain = {layer: states[rows] for layer, states in self.plain.items()}
        instructed: dict[Modality, dict[int, Tensor]] = {
            modality: {layer: states[rows] for layer, states in found.items()}
            for modality, found in self.instructed.items()
        }
        return States(tuple(self.items[i] for i in rows), plain, instructed, self.skipped)


def collect_states(
    model: Model,
    items: Sequence[Item],
    layers: Sequence[int],
    progress: Callable[[int], None] | None = None,
) -> States:
    """Read the states of all items at all layers in one run: three prompts an item.

    Args:
        model: The model.
        items: Items; those whose image is missing or corrupt are left out, logged and listed.
        layers: Decoder blocks, 0-based, whose outputs to read.
        progress: Called with the number of prompts just finished, three for each item.

    Returns:
        The states.

    Raises:
        UsageError: No item can be asked, a layer does not exist, or the states are not finite.
    """
    prompts, usable, skipped = readable(items)
    if not usable:
        raise UsageError(
            f"`items` of collect_states must hold at least one item whose image can be read; got {len(items)} items, "
            f"{len(skipped)} unreadable; check the images."
        )
    if progress and skipped:
        progress(3 * len(skipped))
    asked = [p.with_instruction(i) for p in prompts for i in (None, *(INSTRUCTIONS[m] for m in MODALITIES))]
    read = run(model, [Row(p) for p in asked], Read(logits=False, hidden=tuple(layers)), progress=progress)
    for layer in layers:
        if not torch.isfinite(read.hidden[layer]).all():
            raise UsageError(
                f"`model` of collect_states must have finite states; layer {layer} of {model.name} in {model.dtype} "
                "gives NaN or infinity; load it with dtype='bfloat16' or 'float32'."
            )
    plain, *instructed = ({layer: read.hidden[layer][k::3] for layer in layers} for k in range(3))
    return States(tuple(usable), plain, dict(zip(MODALITIES, instructed, strict=True)), tuple(skipped))


def readable(items: Sequence[Item]) -> tuple[list[Prompt], list[Item], list[Skipped]]:
    """Return the plain prompts of the items whose image can be read, these items, and the others, logged."""
    prompts: list[Prompt] = []
    usable: list[Item] = []
    skipped: list[Skipped] = []
    for number, item in enumerate(items, 1):
        try:
            prompts.append(prompt_for(item))
            usable.append(item)
        except (DataError, MissingImageError) as error:
            skipped.append(Skipped(number, f"item {item.id}: {error}"))
    if skipped:
        logger.warning("Skipped %d of %d items; the first: %s", len(skipped), len(items), skipped[0].reason)
    return prompts, usable, skipped
