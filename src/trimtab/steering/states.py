"""Hidden states that steering is learned from: each item asked plainly and under the instruction to each modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import ModelOrEngine, Prompt, Read, Row, engine_of, run
from trimtab.errors import UsageError
from trimtab.items import Item, Skipped
from trimtab.items.admission import admit_items, say_left_out
from trimtab.items.prompts import instruction_for, prompt_for
from trimtab.modalities import PAIR, Modality, in_order, others
from trimtab.progress import SILENT, Progress, Within


@dataclass(frozen=True, eq=False)
class States:
    """States at the last prompt token, by layer, a row of ``(items, hidden)`` for each item; float32, CPU.

    Attributes:
        items: The items that could be asked.
        plain: States without an instruction: h_[I,T] of AMPS (arXiv 2602.12533, eq. 13).
        instructed: States under the instruction to follow a modality: h_[I,T,P].
        skipped: Items left out, with the reason.
    """

    items: tuple[Item, ...]
    plain: dict[int, Float[Tensor, "items hidden"]]
    instructed: dict[Modality, dict[int, Float[Tensor, "items hidden"]]]
    skipped: tuple[Skipped, ...] = ()

    def steering_vectors(self, target: Modality, layer: int) -> Float[Tensor, "items hidden"]:
        """Return each item's steering vector ``h_[I,T,P+] - h_[I,T,P-]``, ``(items, hidden)``.

        P+ names the target and P- the other modality (AMPS eq. 11 without its scaling); of several others, the mean of
        their states is taken.
        """
        return self.instructed[target][layer] - torch.stack(self.opposed(target, layer)).mean(0)

    def opposed(self, target: Modality, layer: int) -> list[Float[Tensor, "items hidden"]]:
        """Return the states under the instruction to follow each other modality, ``(items, hidden)`` each."""
        return [self.instructed[other][layer] for other in others(target, self.instructed)]

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
    model: ModelOrEngine,
    items: Sequence[Item],
    layers: Sequence[int],
    progress: Progress = SILENT,
    *,
    what: str = "`items` of collect_states",
) -> States:
    """Read the states of all items at all layers in one run: a prompt of its own, and one for each modality.

    Args:
        model: The model.
        items: Items; those that the model cannot take (see ``trimtab.engine.admit``), whose image is missing or corrupt
            or whose states are not finite are left out, logged and listed.
        layers: Decoder blocks, 0-based, whose outputs to read.
        progress: Told of prompts as they finish; an item of image and text has three.
        what: What errors call the items.

    Returns:
        The states.

    Raises:
        UsageError: No item can be asked, two have the same id, a layer does not exist, or no states are finite.
    """
    among = in_conflict(modality for item in items for modality in item.modalities)

    def told(prompt: Prompt) -> list[Prompt]:
        return instructed(prompt, among)

    admitted = admit_items(model, items, lambda item: [prompt_for(item)], what, also=told, conflicts=True).require(what)
    prompts, usable, skipped = [own[0] for own in admitted.prompts], admitted.items, admitted.skipped
    asked, each = [prompt for plain in prompts for prompt in (plain, *told(plain))], 1 + len(among)
    with progress.task("read states", each * len(items)) as advance:
        advance(each * len(skipped))
        rows, wanted = [Row(p) for p in asked], Read(logits=False, hidden=tuple(layers))
        read = run(model, rows, wanted, progress=Within(advance))
    kept = _finite(model, read.hidden, usable, layers)
    if len(kept) < len(usable):
        places = {item.id: place for place, item in enumerate(items, start=1)}
        lost = [item for k, item in enumerate(usable) if k not in kept]
        skipped += [
            Skipped(places[i.id], f"item {i.id}: its states are not finite in {engine_of(model).precision}.")
            for i in lost
        ]
        say_left_out(skipped, len(places))
    plain, *by_target = ({layer: read.hidden[layer][k::each] for layer in layers} for k in range(each))
    states = States(tuple(usable), plain, dict(zip(among, by_target, strict=True)), tuple(sorted(skipped)))
    return states if len(kept) == len(usable) else states.at(kept)


def instructed(prompt: Prompt, among: Sequence[Modality] | None = None) -> list[Prompt]:
    """Return a prompt under the instruction to follow each of some modalities; left out, those that it may follow."""
    known = in_conflict(prompt.modalities) if among is None else among
    return [prompt.with_instruction(instruction_for(modality, known)) for modality in known]


def in_conflict(modalities: Iterable[Modality]) -> tuple[Modality, ...]:
    """Return the modalities that an answer may follow: image and text, or all that are named if there are others."""
    named = in_order(modalities)
    return PAIR if set(named) <= set(PAIR) else named


def _finite(
    model: ModelOrEngine, hidden: Mapping[int, Tensor], items: Sequence[Item], layers: Sequence[int]
) -> list[int]:
    """Return the places of the items whose states are finite at every layer.

    Raises:
        UsageError: None are.
    """
    fine = torch.stack([torch.isfinite(hidden[layer]).all(-1).view(len(items), -1).all(-1) for layer in layers])
    kept = fine.all(0).nonzero().flatten().tolist()
    if not kept:
        bad = next(layer for layer, own in zip(layers, fine, strict=True) if not own.all())
        raise UsageError(
            f"`model` of collect_states must have finite states; layer {bad} of {model.name} in "
            f"{engine_of(model).precision} gives NaN or infinity; load it with dtype='bfloat16' or 'float32'."
        )
    return kept
