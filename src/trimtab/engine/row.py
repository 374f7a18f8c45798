"""One question to the model."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.prompt import Prompt


@dataclass(frozen=True, eq=False)
class Row:
    """One question to the model: a prompt and the edits in force while it is answered."""

    prompt: Prompt | Encoded
    edits: tuple[Edit, ...] = ()
