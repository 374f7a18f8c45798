"""Prompts whose parts keep their names on the way through a program that only hands on text and media."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.engine import Prompt
from trimtab.errors import UsageError
from trimtab.modalities import Modality

PARTS = "trimtab_prompt"
"""The column of a document, or the field of a message, that holds a prompt's parts beside its text."""

_FIELDS = ("question", "context", "instruction", "placement", "choices", "request")


def parts_of(prompt: Prompt) -> str:
    """Return the parts of a prompt's text, as JSON."""
    return json.dumps({name: getattr(prompt, name) for name in _FIELDS}, ensure_ascii=False)


def prompt_of(text: str, media: Mapping[Modality, Sequence[Any]], parts: object = None) -> Prompt:
    """Return a text with media as a prompt.

    Args:
        text: The user's turn. Marks of where a picture would stand are taken out: media come first.
        media: What is shown, by modality.
        parts: What ``parts_of`` returned, if the program handed it on. It counts where it says just this text; else, as
            in other programs' tasks and where a program put examples before it, all of the text is the question.

    Raises:
        UsageError: The text is empty, or the parts are not what ``parts_of`` returns.
        DataError: A medium cannot be read.
    """
    known = _parsed(parts)
    if known is not None:
        prompt = Prompt(**known, media=media)
        if prompt.body()[0] == text:
            return prompt
    return Prompt(question=text.replace("<image>", "").strip(), request="", media=media)


def _parsed(parts: object) -> dict[str, Any] | None:
    """Read what ``parts_of`` wrote.

    Raises:
        UsageError: It is something else.
    """
    if parts is None or parts == "":
        return None
    try:
        found = json.loads(str(parts))
        return {name: tuple(found[name]) if name == "choices" else found[name] for name in _FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"`{PARTS}` of a document must be JSON with {', '.join(_FIELDS)}; got {parts!r:.60}; leave the column out."
        ) from error
