"""Where the words of a prompt are among its tokens, on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from trimtab.errors import UsageError
from trimtab.serving.phases import Span


def finder(tokenizer: Any, text: str | None, ids: Sequence[int], media: Iterable[Span]) -> Callable[[str], Span]:
    """Return what finds the tokens of words in a prompt.

    The prompt is written as tokens once more, this time with the place of each in the text. Nothing is found unless
    these are the prompt's own tokens, media left aside; a token belongs to the words that its first visible character
    is in, as it does in the engine here.

    Args:
        tokenizer: The server's.
        text: The prompt; None if it came as tokens.
        ids: Its tokens.
        media: Which of them stand for media.
    """
    shown = {place for first, end in media for place in range(first, end)}
    marks = {ids[place] for place in shown}

    def find(words: str) -> Span:
        count = 0 if text is None else text.count(words)
        if text is None or count != 1:
            raise UsageError(
                "`question` of vllm_xargs must hold texts that stand once in the prompt, as the chat template writes "
                f"it; {words!r:.100} stands there {count} times; give the text word for word, or word the prompt "
                "otherwise."
            )
        told = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        own = [place for place in range(len(ids)) if place not in shown]
        written = [
            (token, span)
            for token, span in zip(told["input_ids"], told["offset_mapping"], strict=True)
            if token not in marks
        ]
        own = own[len(own) - len(written) :]  # a token that begins a text has no place in it
        if [ids[place] for place in own] != [token for token, _span in written]:
            raise UsageError(
                "`question` of vllm_xargs must come with a prompt whose text is written as its tokens are; this one's "
                "is not; take out what looks like a control token, and give the whole prompt."
            )
        first = text.index(words)
        inside = [
            place
            for place, (_token, span) in zip(own, written, strict=True)
            if first <= _first_visible(text, *span) < first + len(words)
        ]
        if not inside:
            raise UsageError(
                f"`question` of vllm_xargs must hold texts with tokens of their own; {words!r:.100} has none."
            )
        return inside[0], inside[-1] + 1

    return find


def _first_visible(text: str, start: int, end: int) -> int:
    piece = text[start:end]
    visible = start + len(piece) - len(piece.lstrip())
    return visible if visible < end else start
