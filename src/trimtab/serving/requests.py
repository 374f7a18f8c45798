"""A request's steering on its way from the front end to the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trimtab.errors import UsageError
from trimtab.serving.bank import Bank
from trimtab.serving.phases import NAMED, Span, first_of
from trimtab.serving.wire import FIELDS, read_question, read_wanted

KEY = "trimtab"
"""Where the front end puts what a request's fields mean, among its ``extra_args``."""

Find = Callable[[str], Span]
"""Finds the tokens of a text in a request's prompt."""


def resolved(bank: Bank, given: Mapping[str, Any] | None, find: Find) -> dict[str, Any] | None:
    """Return a request's ``extra_args`` with its artifacts named in full in the place of the user's fields.

    Digests say which contents are meant, whatever becomes of the names; strength 0 is a plain request.

    Args:
        bank: What is offered.
        given: The request's own ``extra_args``.
        find: Finds the words of the question in the prompt.

    Raises:
        UsageError: The request asks for what there is not, be it a strength that an artifact does not have.
    """
    wanted = read_wanted(given)
    if not wanted or given is None:
        return None if given is None else dict(given)
    parts = []
    for one in wanted:
        offer = bank.find(one)
        strength = offer.artifact.strength if one.strength is None else one.strength
        if any(part["digest"] == offer.digest for part in parts):
            raise UsageError(f"`artifact` of vllm_xargs must name each artifact once; got {offer.name!r} twice.")
        about = {"artifact": offer.name, "target": offer.artifact.target, "strength": strength, "digest": offer.digest}
        if offer.edits(strength):  # none at strength 0
            parts.append(about | {"begins": offer.begins})
    rest = {key: value for key, value in given.items() if key not in FIELDS}
    if not parts:
        return rest or None
    return rest | {KEY: {"parts": parts, "named": _named(parts, read_question(given), find)}}


def _named(parts: Sequence[Mapping[str, Any]], texts: Sequence[str], find: Find) -> list[Span]:
    """Return where the question is, if an artifact asks for it."""
    asks = next((part["artifact"] for part in parts if part["begins"] == NAMED), None)
    if asks is None:
        return []
    if not texts:
        raise UsageError(
            f"`question` of vllm_xargs must come with artifact {asks!r}, which edits the tokens of the question; give "
            "the text of the question, and that of the instruction if there is one, as they stand in the prompt."
        )
    return [find(text) for text in texts]


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
        For each artifact that has begun by then, in their order: its content, its strength, the first token that it
        edits, and the question's tokens if they are among those; None for a block before all of them, which every
        request shares.
    """
    own = []
    for part in steering["parts"]:
        first = first_of(part["begins"], length, steering["named"])
        named = [number for span in steering["named"] for number in span] if part["begins"] == NAMED else []
        if end > first:
            own.append((part["digest"], float(part["strength"]), first, *named))
    return (KEY, *own) if own else None
