"""Prompts as messages of inspect_ai, and back."""

# pyright: reportMissingImports=false

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageUser,
    Content,
    ContentAudio,
    ContentImage,
    ContentText,
)

from trimtab.engine import Prompt
from trimtab.errors import UsageError
from trimtab.integrations.evals.parts import PARTS, parts_of, prompt_of
from trimtab.media import medium_kind
from trimtab.modalities import Modality


def message_of(prompt: Prompt) -> ChatMessageUser:
    """Return a prompt as a message that other providers understand too, with its parts beside it.

    Raises:
        UsageError: It shows a clip.
    """
    content: list[Content] = [_content(kind, medium) for kind, media in prompt.media.items() for medium in media]
    content.append(ContentText(text=prompt.body()[0]))
    return ChatMessageUser(content=content, metadata={PARTS: parts_of(prompt)})


def prompt_of_messages(messages: Sequence[ChatMessage]) -> Prompt:
    """Return the prompt that one user's message is.

    Raises:
        UsageError: There are several messages, or the one is no user's, or shows what cannot be shown.
        DataError: A medium cannot be read.
    """
    if [one.role for one in messages] != ["user"]:
        raise UsageError(
            f"`input` must be one message of the user for trimtab; got {', '.join(one.role for one in messages)}; put "
            "all of it into one."
        )
    (message,) = messages
    content = [ContentText(text=message.content)] if isinstance(message.content, str) else message.content
    media: dict[Modality, list[Any]] = {}
    for one in content:
        if isinstance(one, ContentImage):
            media.setdefault("image", []).append(_opened(one.image))
        elif isinstance(one, ContentAudio):
            media.setdefault("audio", []).append(_opened(one.audio))
        elif not isinstance(one, ContentText):
            raise UsageError(f"`input` must hold text, images and audio for trimtab; got {one.type}; leave that out.")
    text = "\n".join(one.text for one in content if isinstance(one, ContentText))
    return prompt_of(text, media, (message.metadata or {}).get(PARTS))


def _content(kind: Modality, medium: Any) -> Content:
    encoded = medium_kind(kind).encode(medium)
    if kind == "image":
        return ContentImage(image=_data("image/png", encoded))
    if kind == "audio":
        return ContentAudio(audio=_data("audio/wav", encoded), format="wav")
    raise UsageError(f"`items` must show pictures or sounds in inspect_ai; one shows {kind}; choose others.")


def _data(mime: str, encoded: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(encoded).decode()}"


def _opened(source: str) -> bytes | str:
    """Return the bytes of a data URL; a path stays one."""
    if "://" in source:
        raise UsageError(f"`input` must hold media as data or as paths for trimtab; got {source:.60}; download it.")
    return base64.b64decode(source.partition(",")[2]) if source.startswith("data:") else source
