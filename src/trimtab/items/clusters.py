"""Which items are about the same thing, so that their answers are no independent evidence."""

from __future__ import annotations

import hashlib

from trimtab.items.item import Item
from trimtab.items.words import normalise
from trimtab.modalities import SHOWN


def cluster_of(item: Item) -> str:
    """Return the name of an item's cluster: equal for items whose right answer is read from the same thing.

    That is what its relevant modalities show, such as the picture. Where they show nothing, it is the relevant text;
    and where there is none either, as for a question of general knowledge, the question itself, with whatever options.
    Texts are compared in the form in which answers are. For a conflict item, all of its modalities are relevant.

    Returns:
        The first 16 hexadecimal digits of a SHA-256.
    """
    relevant = item.relevant or item.modalities
    sources = {name: item.source_of(name) for name in relevant if name in SHOWN}
    shown = [f"{name} {source.fingerprint}" for name, source in sources.items() if source is not None]
    context = normalise(item.context) if "text" in relevant else ""
    read = " ".join(shown) or (f"text {context}" if context else f"question {normalise(item.question)}")
    return hashlib.sha256(read.encode()).hexdigest()[:16]
