"""What a program says of generation, as trimtab's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.engine import Decoding
from trimtab.errors import UsageError

KNOWN = (
    "until", "max_new_tokens", "do_sample", "temperature", "top_k", "top_p", "repetition_penalty", "num_beams", "seed"
)  # fmt: skip
"""What counts; anything else is for other models."""


@dataclass(frozen=True)
class Settings:
    """How replies are generated.

    Attributes:
        decoding: How tokens are chosen.
        longest: Longest reply in tokens; None for the model's own.
        until: Texts at which a reply ends; they and what follows are cut off.
    """

    decoding: Decoding
    longest: int | None
    until: tuple[str, ...]

    def ended(self, reply: str) -> str:
        """Return a reply up to the first of the texts that end it."""
        for text in self.until:
            reply = reply.split(text)[0]
        return reply


def settings_of(given: Mapping[str, Any], owner: str) -> Settings:
    """Read what a program says of generation, by the names and with the meaning that transformers has for them.

    Args:
        given: Some of ``KNOWN``; what is left out or None is as if it were not said.
        owner: What the program calls them.

    Raises:
        UsageError: It asks for beams, or a value means nothing.
    """
    beams = given.get("num_beams") or 1
    if beams != 1:
        raise UsageError(
            f"`num_beams` of {owner} must be 1 for trimtab, which takes the most probable token or draws; "
            f"got {beams!r}; leave it out."
        )
    temperature = given.get("temperature")
    if not given.get("do_sample", bool(temperature)):
        temperature = 0
    elif temperature is None:
        temperature = 1
    drawn = {name: given[name] for name in ("top_k", "top_p") if temperature and given.get(name)}
    kept = {name: given[name] for name in ("repetition_penalty", "seed") if given.get(name) is not None}
    until = given.get("until") or ()
    texts = (until,) if isinstance(until, str) else tuple(until)
    decoding = Decoding(temperature=float(temperature), **drawn, **kept)
    return Settings(decoding, given.get("max_new_tokens"), tuple(text for text in texts if text))
