"""What a method asks of the engine for one prompt."""

from __future__ import annotations

from collections.abc import Hashable

from trimtab.engine import Contrast, Prompt, Row

Ask = Row | Contrast
"""A row with its edits, or several rows whose next tokens are chosen together."""


class Asks:
    """What is asked in one run, in which a prompt without edits is asked once, however many want it."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self._plain: dict[Hashable, int] = {}

    def place(self, ask: Ask) -> int:
        """Add what is asked, or find the same, and return its place."""
        key = _plain_key(ask)
        if key is not None and key in self._plain:
            return self._plain[key]
        self.asks.append(ask)
        place = len(self.asks) - 1
        if key is not None:
            self._plain[key] = place
        return place


def _plain_key(ask: Ask) -> Hashable | None:
    """Return what rows without edits have in common that ask the same of the same media; None with edits."""
    if not isinstance(ask, Row) or ask.edits:
        return None
    if not isinstance(ask.prompt, Prompt):
        return id(ask.prompt)
    # Copies of a prompt hold its very media. They live as long as what is asked, so their ids stay theirs.
    parts = [(p.name, p.content if isinstance(p.content, str) else id(p.content)) for p in ask.prompt.parts()]
    return tuple(parts), ask.prompt.image_counterfactual
