"""A turn as the model's chat template writes it, with the place of the user's text in it known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.errors import DataError, UnsupportedModelError
from trimtab.models import Model

MARK = "trimtab0places9the7text"
"""Text that a template is rendered with to see where it puts a user's."""


@dataclass(frozen=True)
class Turn:
    """A rendered turn: the template's text before and after the user's, image tokens repeated for each position.

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


def render(model: Model, body: str, positions: Sequence[int]) -> Turn:
    """Render a user's turn that asks for an answer.

    The text is not searched for in what is rendered, where a system prompt might repeat it: the template is rendered
    with a mark in its place, and what surrounds the mark must surround the text.

    Args:
        model: The model.
        body: The user's text.
        positions: How many positions each picture takes, in order.

    Raises:
        DataError: The text cannot be written in UTF-8.
        UnsupportedModelError: The template fails, changes the text, or does not give each picture its token.
    """
    _check_text(body)
    mark = MARK
    while mark in body:
        mark += "0"
    around, rendered = (_apply(model, text, len(positions)) for text in (mark, body))
    before, _, after = around.partition(mark)
    kept = next((k for k in (body, body.strip(), body.lstrip(), body.rstrip()) if rendered == before + k + after), None)
    if mark not in around or mark in after or kept is None:
        raise _refusal(model, "keep the text as it is", f"{body!r} became {rendered!r}")
    token = model.tokenizer.convert_ids_to_tokens(model.image_token)
    shown = before.count(token)
    if shown + after.count(token) != len(positions):
        raise _refusal(model, f"give each picture one {token!r}", f"{len(positions)} pictures became {around!r}")
    return Turn(
        _repeated(before, token, positions[:shown]),
        kept,
        _repeated(after, token, positions[shown:]),
        len(body) - len(body.lstrip()) if len(kept) < len(body) and not body.startswith(kept) else 0,
    )


def _apply(model: Model, text: str, pictures: int) -> str:
    content = [{"type": "image"} for _ in range(pictures)] + [{"type": "text", "text": text}]
    try:
        return model.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=model.chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
    except Exception as error:  # a template may raise anything
        raise UnsupportedModelError(
            f"`chat_template` of {model.name} must take a user's turn of pictures and a text; it failed ({error}); "
            "give another one to `from_parts`."
        ) from error


def _repeated(text: str, token: str, positions: Sequence[int]) -> str:
    first, *rest = text.split(token)
    return first + "".join(token * n + piece for n, piece in zip(positions, rest, strict=True))


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
