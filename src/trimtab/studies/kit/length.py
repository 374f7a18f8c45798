"""How long an answer may be where nobody says."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.bundled import BUNDLED
from trimtab.engine import MAX_NEW_TOKENS

BUNDLED_TOKENS = 8
"""Tokens in a study for the bundled models; the bundled benchmark's longest answer has 7."""

OTHERS = 32
"""Tokens for a model that is not bundled: room for two sentences, the longest that real models need for a short answer.
An answer stops at its end token, so room that is not needed costs nothing."""


def answer_length(models: Iterable[str], bundled: int = MAX_NEW_TOKENS) -> int:
    """Return the longest answer in tokens: ``bundled`` for bundled models alone, which answer in words, else 32."""
    return bundled if all(name in BUNDLED for name in models) else OTHERS
