"""Where in a row an edit acts: named spans, token indices, and what is generated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engine.encoded import Encoded
from trimtab.engine.prompt import SPANS
from trimtab.errors import NothingEditedError, UsageError

ALL, GENERATED = "all", "generated"
PLACES = (*SPANS, ALL, GENERATED)
"""Names of places: the spans; ``all``: every prompt and generated token; ``generated``: every generated token."""

Places = tuple[str | int, ...]
"""Names of places and indices of prompt tokens, in any mixture; together they are one set of tokens."""


@dataclass(frozen=True, eq=False)
class Resolved:
    """A set of tokens of one row.

    Attributes:
        prompt: True at its prompt tokens, ``(length,)``.
        generated: Whether generated tokens belong to it.
    """

    prompt: Tensor
    generated: bool

    @property
    def first(self) -> int:
        """The first prompt token of the set; the prompt's length if it has none."""
        found = self.prompt.nonzero()
        return int(found[0]) if len(found) else len(self.prompt)


def check_places(places: Places, parameter: str, owner: str) -> None:
    """Refuse names that are no places, and an empty set.

    Raises:
        UsageError: With the names there are.
    """
    known = isinstance(places, tuple) and all(
        place in PLACES
        if isinstance(place, str)
        else isinstance(place, int) and not isinstance(place, bool) and place >= 0
        for place in places
    )
    if not known or not places:
        raise UsageError(
            f"`{parameter}` of {owner} must be a tuple of places ({', '.join(PLACES)}) and token indices from 0; got "
            f"{places!r}; name at least one."
        )


def resolve(places: Places, prompt: Encoded, parameter: str, owner: str) -> Resolved:
    """Find the tokens of a row that places name; a span that the prompt lacks has none.

    Raises:
        UsageError: A token index lies outside of the prompt.
        NothingEditedError: The places hold no token of this prompt and no generated one.
    """
    chosen = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.ids.device)
    indices = [place for place in places if isinstance(place, int)]
    if indices and max(indices) >= len(prompt):
        raise UsageError(
            f"`{parameter}` of {owner} must be token indices in 0..{len(prompt) - 1} for a prompt of {len(prompt)} "
            f"tokens; got {max(indices)}."
        )
    if indices:
        chosen[torch.tensor(indices, device=chosen.device)] = True
    for place in places:
        if place == ALL:
            chosen[:] = True
        elif isinstance(place, str) and place in prompt.spans:
            chosen[prompt.spans[place]] = True
    generated = bool({ALL, GENERATED} & set(places))
    if not generated and not chosen.any():
        present = [name for name, span in prompt.spans.items() if len(span)]
        raise NothingEditedError(
            f"`{parameter}` of {owner} must name at least one part of each prompt; got {places}, and a prompt has only "
            f"{', '.join(present)}; leave that row out or name another place."
        )
    return Resolved(chosen, generated)


def describe_places(places: Places) -> str:
    """Write places in few words, for receipts."""
    names = [place for place in places if isinstance(place, str)]
    indices = len(places) - len(names)
    return "+".join([*names, *([f"{indices} tokens"] if indices else [])])
