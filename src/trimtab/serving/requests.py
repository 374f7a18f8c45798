"""A request's steering on its way from the front end to the worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.engine import covered
from trimtab.serving.bank import Bank
from trimtab.serving.wire import FIELDS, read_wanted

KEY = "trimtab"
"""Where the front end puts what a request's fields mean, among its ``extra_args``."""


def resolved(bank: Bank, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a request's ``extra_args`` with the artifact named in full in the place of the user's fields.

    The digest says which content is meant, whatever becomes of the name; strength 0 is a plain request.

    Args:
        bank: What is offered.
        given: The request's own ``extra_args``.

    Raises:
        UsageError: The request asks for what there is not, be it a strength that an artifact does not have.
    """
    wanted = read_wanted(given)
    if wanted is None or given is None:
        return None if given is None else dict(given)
    offer = bank.find(wanted)
    strength = offer.artifact.strength if wanted.strength is None else wanted.strength
    rest = {key: value for key, value in given.items() if key not in FIELDS}
    if not offer.edits(strength):  # strength 0
        return rest or None
    about = {
        "artifact": offer.name,
        "target": offer.artifact.target,
        "strength": strength,
        "digest": offer.digest,
        "begins": offer.begins,
    }
    return rest | {KEY: about}


def steering_of(extra: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what ``resolved`` put into a request; None for a plain one."""
    found = None if extra is None else extra.get(KEY)
    return found if isinstance(found, dict) else None


def cache_key(steering: Mapping[str, Any], length: int, end: int) -> tuple[Any, ...] | None:
    """Return what tells the keys and values of a block from those of the same tokens steered otherwise.

    Args:
        steering: What ``steering_of`` returned.
        length: Tokens of the prompt.
        end: Token index after the block's last one.

    Returns:
        Content of the artifact, strength, and the first token that is steered; None for a block before that token,
        which every request shares.
    """
    first = covered(steering["begins"], length)[0]
    return (KEY, steering["digest"], float(steering["strength"]), first) if end > first else None
