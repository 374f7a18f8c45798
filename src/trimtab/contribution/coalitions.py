"""What the model answers when only some modalities are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

import torch
from torch import Tensor

from trimtab.contribution.batch import Continued
from trimtab.contribution.method import Case
from trimtab.contribution.spoiling import without
from trimtab.engine import Encoded, ModelOrEngine, Read, Row, encode, engine_of, run
from trimtab.modalities import Modality

MOST_NUMBERS = 2**27
"""Logits held at once: half a gigabyte."""

CHOOSING = Read(at=("last",))
"""A tuple, because each prompt is read at every token that chooses one of the answer."""


@dataclass(frozen=True)
class Coalitions:
    """Every set of modalities that may be shown, all of them first and none of them last.

    Attributes:
        players: The modalities.
        shown: The sets.
        hidden: What each set leaves out.
    """

    players: tuple[Modality, ...]
    shown: tuple[frozenset[Modality], ...]
    hidden: tuple[tuple[Modality, ...], ...]

    @classmethod
    def of(cls, players: tuple[Modality, ...]) -> Coalitions:
        """List the sets."""
        hidden = tuple(out for size in range(len(players) + 1) for out in combinations(reversed(players), size))
        return cls(players, tuple(frozenset(players).difference(out) for out in hidden), hidden)


def first_logits(model: ModelOrEngine, cases: Sequence[Case], sets: Coalitions) -> list[Tensor]:
    """Return next-token logits of each case under every coalition, ``(coalitions, vocabulary)`` each."""
    return [torch.stack(own) for own in _logits(model, [prompts_shown(model, case, sets) for case in cases], Read())]


def answer_log_p(
    model: ModelOrEngine, cases: Sequence[Case], answers: Sequence[Sequence[int]], sets: Coalitions
) -> list[Tensor]:
    """See how probable an answer to each case is under every coalition, token by token.

    Args:
        model: The model.
        cases: Cases of the same modalities.
        answers: The tokens of an answer to each, at least one.
        sets: The coalitions.

    Returns:
        For each case log p of each token after those before it, ``(coalitions, tokens)``, float64.
    """
    longest = max(map(len, answers), default=1)
    size = max(1, MOST_NUMBERS // (len(sets.shown) * longest * engine_of(model).vocab_size))
    found: list[Tensor] = []
    for start in range(0, len(cases), size):
        part = list(zip(cases[start : start + size], answers[start : start + size], strict=True))
        asked = [[_answered(prompt, answer) for prompt in prompts_shown(model, case, sets)] for case, answer in part]
        for (_, answer), own in zip(part, _logits(model, asked, CHOOSING), strict=True):
            found.append(torch.stack([_log_p(logits, answer) for logits in own]))
    return found


def prompts_shown(model: ModelOrEngine, case: Case, sets: Coalitions) -> list[Encoded]:
    """Return a case's prompt for every coalition.

    Prompts share what comes before and at their evidence if all of it is equal. Here contexts differ behind equal
    pictures, so they are no evidence, and what stands before them is computed once.
    """
    prompts = [case.encoded, *(encode(model, without(case.prompt, *out)) for out in sets.hidden[1:])]
    return [replace(p, spans={name: own for name, own in p.spans.items() if name != "context"}) for p in prompts]


def _logits(model: ModelOrEngine, prompts: Sequence[Sequence[Encoded]], read: Read) -> list[list[Tensor]]:
    """Read the logits of each case's prompts; those that show nothing are run apart, where they share more."""
    shown = iter(run(model, [Row(prompt) for own in prompts for prompt in own[:-1]], read).logits)
    bare = iter(run(model, [Row(own[-1]) for own in prompts], read).logits)
    return [[*islice(shown, len(own) - 1), next(bare)] for own in prompts]


def _answered(prompt: Encoded, answer: Sequence[int]) -> Encoded:
    """Put an answer after a prompt, whose ``last`` tokens are then all that choose a token of the answer."""
    asked = Continued.of(prompt, answer).prompt
    choosing = torch.arange(len(prompt) - 1, len(asked), device=asked.ids.device)
    return replace(asked, spans={**asked.spans, "last": choosing})


def _log_p(logits: Tensor, tokens: Sequence[int]) -> Tensor:
    """Return log p of an answer's tokens, ``(tokens,)``, from the logits that chose each."""
    log_p = logits.double().log_softmax(-1)
    return log_p[range(len(tokens)), list(tokens)]
