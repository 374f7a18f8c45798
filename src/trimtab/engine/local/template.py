"""A turn as the model's chat template writes it, with the place of the user's text in it known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.errors import DataError, UnsupportedModelError
from trimtab.media import medium_kind
from trimtab.models import MediaInput, Model

MARK = "trimtab0places9the7text"
"""Text that a template is rendered with to see where it puts a user's."""


@dataclass(frozen=True)
class Turn:
    """A rendered turn: the template's text before and after the user's, with all positions of what is shown.

    Attributes:
        before: The template's text before the user's.
        body: The user's text, as the template keeps it.
        after: The template's text after it, with the generation prompt.
        cut: Characters of the user's text that the template took off its beginning.
    """

    before: str
    body: str
    after: str
    cut: int


def render(model: Model, body: str, media: Sequence[MediaInput]) -> Turn:
    """Render a user's turn that asks for an answer.

    The text is not searched for in what is rendered, where a system prompt might repeat it: the template is rendered
    with a mark in its place, and what surrounds the mark must surround the text.

    Args:
        model: The model.
        body: The user's text.
        media: What is shown, in order.

    Raises:
        DataError: The text cannot be written in UTF-8.
        UnsupportedModelError: The template fails, changes the text, or does not give each medium its token.
    """
    _check_text(body)
    mark = MARK
    while mark in body:
        mark += "0"
    around, rendered = (_apply(model, text, media) for text in (mark, body))
    before, _, after = around.partition(mark)
    kept = next((k for k in (body, body.strip(), body.lstrip(), body.rstrip()) if rendered == before + k + after), None)
    if mark not in around or mark in after or kept is None:
        raise _refusal(model, "keep the text as it is", f"{body!r} became {rendered!r}")
    waiting = _waiting(model, before + after, media, around)
    return Turn(
        _expanded(model, before, waiting),
        kept,
        _expanded(model, after, waiting),
        len(body) - len(body.lstrip()) if len(kept) < len(body) and not body.startswith(kept) else 0,
    )


def _apply(model: Model, text: str, media: Sequence[MediaInput]) -> str:
    content = [{"type": m.kind} for m in media] + [{"type": "text", "text": text}]
    try:
        return model.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=model.chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
    except Exception as error:  # a template may raise anything
        raise UnsupportedModelError(
            f"`chat_template` of {model.name} must take a user's turn of what is shown and a text; it failed "
            f"({error}); give another one to `from_parts`."
        ) from error


def _waiting(model: Model, rendered: str, media: Sequence[MediaInput], around: str) -> dict[str, list[MediaInput]]:
    """Return the media that each mark of a template stands for, in order, by the mark.

    Raises:
        UnsupportedModelError: There are more or fewer marks than media.
    """
    waiting = {}
    for kind, text in model.marks.items():
        own = [m for m in media if m.kind == kind]
        if rendered.count(text) != len(own):
            noun = medium_kind(kind).noun
            raise _refusal(model, f"give each {noun} one {text!r}", f"{len(own)} {noun}s became {around!r}")
        waiting[text] = own
    return waiting


def _expanded(model: Model, text: str, waiting: dict[str, list[MediaInput]]) -> str:
    """Give each mark's medium all of its positions; media are taken off the lists as they come."""
    pattern = "|".join(map(re.escape, sorted(waiting, key=len, reverse=True)))
    return re.sub(pattern, lambda found: model.expand(waiting[found[0]].pop(0)), text)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"text of a prompt must be written in whole characters; {text[error.start]!r} at character "
            f"{error.start + 1} is half of one; take it out."
        ) from error


def _refusal(model: Model, rule: str, found: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"`chat_template` of {model.name} must {rule}; {found[:400]}; give another one to `from_parts`."
    )
