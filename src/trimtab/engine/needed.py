"""What rows and reads ask of an engine, and the refusal of what it lacks, before any work."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trimtab.engine.capability import Capability
from trimtab.engine.contrast import Contrast
from trimtab.engine.prompt import Prompt
from trimtab.engine.read import Read
from trimtab.engine.row import Row
from trimtab.engine.rows import Rows, as_questions, rows_of
from trimtab.errors import UnsupportedEngineError


def needs(rows: Rows, read: Read | None = None) -> frozenset[Capability]:
    """Return the capabilities that rows need, and a read of them.

    Args:
        rows: Prompts with their edits, and contrasts of several.
        read: What will be read; None if the rows are to be answered.

    Raises:
        UsageError: The rows are nothing that can be asked.
    """
    found: set[Capability] = set()
    if read is not None:
        wanted: dict[Capability, object] = {
            Capability.LOGITS: read.logits,
            Capability.TOP_LOGPROBS: read.top,
            Capability.HIDDEN: read.hidden,
            Capability.HEADS: read.heads,
        }
        found |= {capability for capability, asked in wanted.items() if asked}
    for question in as_questions(rows):
        if isinstance(question, Contrast):
            found.add(Capability.LOGITS)
        for row in rows_of(question):
            found |= _of_row(row)
    return frozenset(found)


def _of_row(row: Row) -> set[Capability]:
    found = {edit.needs for edit in row.edits}
    weighted = isinstance(row.prompt, Prompt) and row.prompt.image_counterfactual is not None
    return found | ({Capability.EDIT_SCORES} if weighted else set())


def refuse_missing(name: str, has: Collection[Capability], wanted: Iterable[Capability], owner: str) -> None:
    """Refuse an engine that lacks something.

    Args:
        name: The engine's name.
        has: What it can do.
        wanted: What is needed.
        owner: What needs it, for the message.

    Raises:
        UnsupportedEngineError: With what is missing and what has it.
    """
    missing = [capability.name for capability in Capability if capability in set(wanted) - set(has)]
    if missing:
        raise UnsupportedEngineError(
            f"`model` of {owner} must have the capability {' and '.join(missing)}; the engine of {name} has "
            f"{', '.join(c.name for c in Capability if c in has) or 'none'}; load the model with trimtab.load, whose "
            "local engine has every capability."
        )
