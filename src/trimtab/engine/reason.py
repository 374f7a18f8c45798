"""Why something was refused, in words."""

from __future__ import annotations

from trimtab.errors import TrimtabError, UnsupportedEngineError
from trimtab.models import out_of_memory

LONGEST_REASON = 500
"""Characters of a reason: some libraries quote the whole prompt."""


def reason_of(error: Exception) -> str:
    """Return why a prompt was refused, in words; what is not the prompt's fault is raised again.

    That is a lack of memory, and an engine that lacks a capability.
    """
    if out_of_memory(error) or isinstance(error, UnsupportedEngineError):
        raise error
    foreign = f"the model cannot take it ({type(error).__name__}: {error})"
    text = str(error) if isinstance(error, TrimtabError) else foreign
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."
