"""Which option a model picks, by its logits and by its words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from trimtab.engine import ModelOrEngine, engine_of
from trimtab.errors import UsageError
from trimtab.items import judge_choice


def letters(n: int) -> list[str]:
    """Return the letters of ``n`` options."""
    return [chr(ord("A") + i) for i in range(n)]


def letter_tokens(model: ModelOrEngine, n: int) -> list[list[int]]:
    """Return, for each of ``n`` options, the tokens that write its letter, with and without a blank before it.

    Raises:
        UsageError: The tokenizer writes some letter by no single token.
    """
    found = []
    for letter in letters(n):
        written = [engine_of(model).tokenize(text) for text in (letter, f" {letter}")]
        found.append(sorted({ids[0] for ids in written if len(ids) == 1}))
        if not found[-1]:
            raise UsageError(
                f"`choices` can be scored by logits only if each letter is one token; {model.name} writes {letter!r} "
                f"with {len(written[0])}; use scoring='generation'."
            )
    return found


def option_log_probabilities(
    logits: Float[Tensor, "rows vocabulary"], tokens: Sequence[Sequence[int]]
) -> tuple[Float32[Tensor, "rows options"], Float32[Tensor, " rows"]]:
    """Turn next-token logits into a distribution over the options.

    Scoring the letters, rather than parsing what is generated, cannot mistake the article of "a dog" for option A.

    Args:
        logits: Next-token logits, ``(rows, vocabulary)``.
        tokens: The tokens of each option's letter.

    Returns:
        Log-probabilities of the options among themselves, ``(rows, options)``; and the probability that the model
        gives to all letters together, ``(rows,)``: where that is small, it would not have answered by a letter.
    """
    scores = logits.float().log_softmax(-1)
    of_options = torch.stack([scores[:, list(ids)].logsumexp(-1) for ids in tokens], dim=-1)
    return of_options.log_softmax(-1), of_options.exp().sum(-1)


def picked_option(reply: str, choices: Sequence[str]) -> int | None:
    """Return the place of the option that a reply picks; None if it picks none or cannot be read."""
    named = letters(len(choices))
    letter = judge_choice(reply, list(zip(named, choices, strict=True)))
    return None if letter is None else named.index(letter)
