"""What the right answer to an item needs: one modality, or several together, and what columns call that."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.errors import UsageError
from trimtab.fields import shown
from trimtab.modalities import MODALITIES, PAIR, Modality, in_order

BOTH = "both"
"""What columns call the image and the text together."""
_JOIN = "+"

RELEVANT = (*PAIR, BOTH)
"""What columns can say of image and text."""

Relevant = str | Iterable[str]
"""``"image"``, ``"both"``, ``"image+audio"``, or modalities."""


def relevant_of(given: object, owner: str) -> tuple[Modality, ...] | None:
    """Return the modalities that are relevant, in the order of tables; None stays None.

    Args:
        given: A name, as columns hold it, or modalities.
        owner: What errors call it.

    Raises:
        UsageError: It is neither.
    """
    if given is None:
        return None
    names = PAIR if given == BOTH else given.split(_JOIN) if isinstance(given, str) else given
    if (
        not isinstance(names, list | tuple | set | frozenset)
        or not names
        or not set(map(str, names)) <= set(MODALITIES)
    ):
        choices = ", ".join(dict.fromkeys((*RELEVANT, *MODALITIES)))
        raise UsageError(f"{owner} must be one of {choices}, several joined by {_JOIN}, or none; got {shown(given)}.")
    return in_order(names)


def relevant_name(relevant: tuple[Modality, ...] | None) -> str | None:
    """Return what a column calls what is relevant: ``image``, ``both`` or ``image+audio``."""
    if relevant is None:
        return None
    return BOTH if relevant == PAIR else _JOIN.join(relevant)
