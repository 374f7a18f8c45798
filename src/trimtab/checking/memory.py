"""How much memory each job needs beside the weights: the passes it will make, and what a pass holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trimtab.checking import asked
from trimtab.checking.footprint import Footprint, encoded_at_once
from trimtab.engine import MAX_NEW_TOKENS, Encoded, Prompt, Read, Row
from trimtab.engine.local.whitebox import foreseen
from trimtab.models import tower_bytes
from trimtab.steering import default_layer

if TYPE_CHECKING:
    from trimtab.checking.trial import Trial


def of_prompts(
    trial: Trial, rows: Sequence[Row | Prompt | Encoded], read: Read | None = None, new_tokens: int = 0
) -> float:
    """Bytes of rows that are run together, and of their pictures in the vision tower."""
    sizes = Footprint.of(trial.model)
    return max(
        max(sizes.batch(batch, new_tokens), _towers(trial, batch.media)) for batch in foreseen(trial.model, rows, read)
    )


def of_measure(trial: Trial) -> float:
    """Bytes of an item asked with all of its modalities, with some, and with none."""
    return max(of_prompts(trial, prompts, Read()) for prompts in asked.coalitions(trial))


def of_states(trial: Trial) -> float:
    """Bytes of an item asked plainly and under either instruction, up to the layer that is read."""
    read = Read(logits=False, hidden=(default_layer(trial.model),))
    return of_prompts(trial, asked.under_instructions(trial), read)


def of_answer(trial: Trial) -> float:
    """Bytes of one answer."""
    return of_prompts(trial, asked.under_instructions(trial)[:1], None, MAX_NEW_TOKENS)


def of_sweep(trial: Trial) -> float:
    """Bytes of a layer's heads silenced in turn: rows that share one prefix."""
    return of_prompts(trial, asked.silenced(trial, asked.case_of(trial)), Read())


def of_gradients(trial: Trial) -> float:
    """Bytes of a case's backward pass."""
    sizes, prompt = Footprint.of(trial.model), asked.case_of(trial).prompt
    return max(_pictures(trial, [prompt]), sizes.graph(len(prompt)) + sizes.logits(2))


def of_perturbations(trial: Trial) -> float:
    """Bytes of an item asked clean and under every perturbation that fits it."""
    return of_prompts(trial, asked.views(trial), Read())


def of_hardening(trial: Trial) -> float:
    """Bytes of one item's views and their backward pass, each with its answer's letter."""
    views, sizes = asked.first_views(trial), Footprint.of(trial.model)
    length = 1 + max(map(len, views))
    held = sizes.adapted(len(views), length, asked.hardening(trial).lora.rank)
    return max(_pictures(trial, views), held + sizes.logits(2 * len(views)))


def _pictures(trial: Trial, prompts: list[Encoded]) -> float:
    media = {medium.key: medium.n_tokens for prompt in prompts for medium in prompt.media}
    return _towers(trial, media.values())


def _towers(trial: Trial, positions: Iterable[int]) -> float:
    """Bytes of pictures of so many positions each, of which the tower takes some at once."""
    return tower_bytes(trial.model.hf, trial.model.dtype, encoded_at_once(list(positions)))
