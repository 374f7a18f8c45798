"""From groups of views to one padded batch of embeddings that end in the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from trimtab.engine import PARTS_OF, Encoded, Prompt, encode, run
from trimtab.interference.hardening.config import Span
from trimtab.interference.hardening.schedule import Group
from trimtab.interference.options import letter_tokens
from trimtab.modalities import SHOWN, Modality
from trimtab.models import Model


@dataclass(frozen=True, eq=False)
class Rows:
    """Every view of every group of a batch, padded on the right, followed by its answer.

    Attributes:
        embeds: Input embeddings, ``(rows, length, hidden)``, in float32; with gradient to the token embeddings.
        mask: 1 at tokens, 0 at padding, ``(rows, length)``.
        positions: Rotary positions, ``(axes, rows, length)``.
        extras: What the family's decoder needs of each token beside these, ``(rows, length, ...)`` by name.
        attacked: 1 at the positions that an attack may change, ``(rows, length)``.
        answer_at: Position that predicts the answer's letter, ``(rows,)``; the next one predicts the end.
        targets: The letter and the end, ``(rows, 2)``.
        group: Each row's group, ``(rows,)``.
        clean: Whether the row is its group's clean view, ``(rows,)``.
        seeds: A seed for each row's random start that depends on schedule and view alone.
    """

    embeds: Float32[Tensor, "rows length hidden"]
    mask: Int[Tensor, "rows length"]
    positions: Int[Tensor, "axes rows length"]
    extras: dict[str, Tensor]
    attacked: Float[Tensor, "rows length"]
    answer_at: Int[Tensor, " rows"]
    targets: Int[Tensor, "rows 2"]
    group: Int[Tensor, " rows"]
    clean: Bool[Tensor, " rows"]
    seeds: list[int]

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return int(self.mask.sum())

    def select(self, rows: Tensor) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.embeds[rows],
            self.mask[rows],
            self.positions[:, rows],
            {name: values[rows] for name, values in self.extras.items()},
            self.attacked[rows],
            self.answer_at[rows],
            self.targets[rows],
            self.group[rows],
            self.clean[rows],
            [self.seeds[i] for i in rows.tolist()],
        )

    def any_one(self) -> Rows:
        """Return a row that may be attacked everywhere, to compute with where nothing is to be attacked."""
        one = self.select(torch.zeros(1, dtype=torch.long, device=self.group.device))
        return replace(one, attacked=torch.ones_like(one.attacked))


def written_letters(model: Model, prompts: Sequence[Prompt], n: int) -> list[int]:
    """Return the token by which the model itself writes each letter: with or without a blank before it.

    Args:
        model: The model.
        prompts: Some questions with options.
        n: Letters wanted.
    """
    probabilities = run(model, list(prompts)).logits.softmax(-1).mean(0)
    return [max(ids, key=lambda i: float(probabilities[i])) for ids in letter_tokens(model, n)]


def make_rows(model: Model, groups: Sequence[Group], letters: Sequence[int], text: Span) -> Rows:
    """Embed all views of groups and append each one's answer.

    A picture is not encoded again while the model remembers it: neither vision tower nor projector is trained.

    Args:
        model: The model.
        groups: The groups.
        letters: Token of each option's letter; see ``written_letters``.
        text: Positions attacked where the text does not matter; see ``AttackConfig``.
    """
    owners = [(g, v) for g, group in enumerate(groups) for v in range(len(group.prompts))]
    prompts = [encode(model, groups[g].prompts[v]) for g, v in owners]
    length, device = max(len(p) for p in prompts) + 1, model.device
    embeds, mask, attacked = [], [], []
    positions = torch.zeros(len(prompts[0].positions), len(prompts), length, dtype=torch.long, device=device)
    for row, ((g, _), prompt) in enumerate(zip(owners, prompts, strict=True)):
        letter = torch.tensor([letters[groups[g].answer]], device=device)
        whole = torch.cat([model.embed(prompt.ids, prompt.media), model.embedding(letter)])
        pad = length - len(whole)
        embeds.append(torch.nn.functional.pad(whole.float(), (0, 0, 0, pad)))
        mask.append([1] * len(whole) + [0] * pad)
        attacked.append(_attackable(prompt, groups[g], text, length))
        positions[:, row, : len(prompt)] = prompt.positions
        positions[:, row, len(prompt)] = prompt.positions.max() + 1
    answers = [letters[groups[g].answer] for g, _ in owners]
    end = model.tokenizer.eos_token_id
    return Rows(
        torch.stack(embeds),
        torch.tensor(mask, device=device),
        positions,
        _extras(model, prompts, answers, length),
        torch.stack(attacked),
        torch.tensor([len(p) - 1 for p in prompts], device=device),
        torch.tensor([[answer, end] for answer in answers], device=device),
        torch.tensor([g for g, _ in owners], device=device),
        torch.tensor([v == 0 for _, v in owners], device=device),
        [groups[g].place * 1000 + v for g, v in owners],
    )


def _extras(model: Model, prompts: Sequence[Encoded], answers: Sequence[int], length: int) -> dict[str, Tensor]:
    """Return what the decoder needs of each token beside its embedding, padded on the right; see ``Model.extras``."""
    rows, found = [model.extras(prompt.ids, prompt.media) for prompt in prompts], {}
    for name, like in {name: values for row in rows for name, values in row.items()}.items():
        found[name] = like.new_full((len(rows), length, *like.shape[1:]), -1 if name == "blocks" else 0)
        for into, row, answer in zip(found[name], rows, answers, strict=True):
            if name in row:
                into[: len(row[name])] = row[name]
            if name == "ids":
                into[len(row[name])] = answer
    return found


def _attackable(prompt: Encoded, group: Group, text: Span, length: int) -> Tensor:
    """Mark the positions of what does not matter; none where everything does, or where the view shows none of it."""
    marks = torch.zeros(length, device=prompt.ids.device)
    if "text" in group.irrelevant and text == "all":
        marks[: len(prompt)] = 1
        for kind in SHOWN:
            marks[_positions(prompt, kind)] = 0
    for modality in group.irrelevant:
        marks[_positions(prompt, modality)] = 1
    return marks


def _positions(prompt: Encoded, modality: Modality) -> Tensor:
    """The positions of a modality's evidence, ``(positions,)``; none if the prompt gives none."""
    found = [prompt.spans[part] for part in PARTS_OF[modality] if part in prompt.spans]
    return torch.cat([torch.as_tensor(one) for one in found]) if found else torch.zeros(0, dtype=torch.long)
