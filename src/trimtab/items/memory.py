"""Remembering items in a few bytes each, to know them again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from trimtab.items.item import Item, further_evidence

LENGTH = 8
"""Characters an item: 48 bits, of which two different items hardly ever share all."""


def remembered(items: Iterable[Item]) -> str:
    """Return what is remembered of items, one after another; two such texts can be joined."""
    return "".join(_digest(item) for item in items)


def is_remembered(item: Item, kept: str) -> bool:
    """Whether an item is among those remembered: the same id, question, context and answers.

    Args:
        item: The item.
        kept: What ``remembered`` returned.
    """
    mine = _digest(item)
    return any(kept[start : start + LENGTH] == mine for start in range(0, len(kept), LENGTH))


def _digest(item: Item) -> str:
    texts = (item.id, item.question, item.context, item.answer_image, item.answer_text)
    texts += tuple(f"{name} {answer}" for name, (_, answer, _) in further_evidence(item))
    digest = hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).digest()
    return base64.b64encode(digest[: LENGTH * 3 // 4]).decode()
