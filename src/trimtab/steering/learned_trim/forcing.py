"""Prompts with given answers: what a model, edited or not, expects at each token of the answer, with gradients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from trimtab.engine import Edit, Encoded, Receipt
from trimtab.engine.local.whitebox import Batch, EditSession, Piece, Prefix, RowBatch, collate, forward_tails, prefill
from trimtab.models import Model


class ForcedBatch:
    """Some prompts, each with the tokens that its answer begins with.

    All tokens of a prompt but the last are computed without edits and without gradient, once if their prefix is kept:
    edits from the last prompt token on do not reach them. What is differentiated is a pass over the last prompt token
    and the answer, so a step of training takes little memory however long the prompts are. Where layers carry a state,
    the whole prompt is computed each time.

    Attributes:
        steps: Which positions of the scores belong to a row, ``(rows, steps)``; shorter answers stand on the right.
        receipts: What the edits of the last scores touched, by an edit's place among them.
    """

    def __init__(
        self,
        model: Model,
        prompts: Sequence[Encoded],
        answers: Sequence[Sequence[int]],
        *,
        cut: bool = True,
        prefix: Prefix | None = None,
    ) -> None:
        """Join prompts and answers.

        Args:
            model: The model.
            prompts: The prompts.
            answers: Tokens of each answer that the model is given; it says what comes after each, and at the beginning.
            cut: Whether what comes before the last prompt tokens is computed apart; not if edits reach it.
            prefix: What ``before_last`` made of the prompts, which is kept; left out, it is computed each time.
        """
        self._model, self._prompts, self._prefix = model, list(prompts), prefix
        self._whole = model.recurrent or not cut
        self.receipts: defaultdict[int, Receipt] = defaultdict(Receipt)
        wholes = [prompt.followed_by(answer) for prompt, answer in zip(prompts, answers, strict=True)]
        starts = [0 if self._whole else len(prompt) - 1 for prompt in prompts]
        self._tails = [Piece(whole, start, len(whole)) for whole, start in zip(wholes, starts, strict=True)]
        self._counts = [len(answer) + 1 for answer in answers]
        self._collated: Batch | None = None

    @property
    def steps(self) -> Bool[Tensor, "rows steps"]:
        """Which positions of the scores belong to a row; shorter answers stand on the right."""
        longest = max(self._counts)
        counts = torch.tensor(self._counts, device=self._model.device)
        return torch.arange(longest, device=counts.device) >= longest - counts[:, None]

    def scores(self, edits: tuple[Edit, ...] = ()) -> Float32[Tensor, "rows steps vocabulary"]:
        """Return the log-probabilities of what comes next at each step under edits, ``(rows, steps, vocabulary)``."""
        n = len(self._prompts)
        prefix = self._prefix
        if prefix is None and not self._whole:
            prefix = before_last(self._model, self._prompts)
        batch = RowBatch(list(range(n)), list(range(n)), self._tails, prefix, [edits] * n, self._inputs())
        self.receipts = batch.receipts
        session = EditSession(self._model, batch.edits, self._prompts, batch.receipts)
        with session.attached():
            hidden = forward_tails(self._model, batch, session, keep_cache=False).hidden
        return self._model.logits(hidden[:, -max(self._counts) :]).float().log_softmax(-1)

    @torch.no_grad()
    def _inputs(self) -> Batch:
        """Return the tails as they go into the model; kept where they are short."""
        collated = self._collated or collate(self._model, self._tails)
        if not self._whole:
            self._collated = collated
        return collated


@torch.no_grad()
def before_last(model: Model, prompts: Sequence[Encoded]) -> Prefix | None:
    """Compute all tokens of some prompts but the last; None where layers carry a state, which would go on from it."""
    return None if model.recurrent else prefill(model, [Piece(prompt, 0, len(prompt) - 1) for prompt in prompts])


def bytes_of(prefix: Prefix) -> int:
    """Return how much memory a prefix takes."""
    tensors = [getattr(layer, name, None) for layer in prefix.held for name in ("keys", "values")]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)
