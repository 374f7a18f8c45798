"""Rows of tables as pages show them: words, marks and links."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from trimtab.contribution.scores import RATIO
from trimtab.modalities import FACTS, in_order
from trimtab.report.methods import method_name
from trimtab.report.style import MODALITY_COLOURS, task_name
from trimtab.viewing.choosing import word
from trimtab.viewing.meaning import COLLAPSED, SEED, STRENGTH, Meaning

if TYPE_CHECKING:
    from trimtab.items import Item
    from trimtab.viewing.comparing import Condition, Name
    from trimtab.viewing.folders import RunEntry

LONGEST = 400
"""Characters of a text in a list; a reply that loops can have thousands."""
LONGEST_ALONE = 20_000
"""Characters of a text on a page of its own."""
NO_SUCH = "none given"


class Mark(NamedTuple):
    """A word that stands out, and the class that colours it."""

    text: str
    look: str


class Answer(NamedTuple):
    """A row of a table of answers.

    Attributes:
        item: The item's name.
        task: Its task; empty if the table does not say.
        said: The answer.
        why: Why it counts as it does.
        marks: Its outcome.
        condition: What it was given under, names and values.
        measured: Contributions, names and values.
        ratio: The visual ratio; None if there is none.
    """

    item: str
    task: str
    said: str
    why: str
    marks: list[Mark]
    condition: list[tuple[str, str]]
    measured: list[tuple[str, str]]
    ratio: float | None


class Evidence(NamedTuple):
    """An item as a page shows it.

    Attributes:
        question: What is asked.
        context: The text beside it.
        answers: By modality, the answer that it supports.
        picture: Whether there is a picture, or a clip to show a frame of.
        also: Other media, which are not shown.
    """

    question: str
    context: str
    answers: list[tuple[str, str]]
    picture: bool
    also: list[str]


def columns_shown(meaning: Meaning, columns: tuple[str, ...]) -> list[str]:
    """Return the columns that a row is shown from."""
    wanted = [
        meaning.item,
        "task",
        "prediction",
        "reason",
        *("label", "right", "correct", COLLAPSED),
        *meaning.condition,
        *(STRENGTH, SEED),
        *meaning.measured,
    ]
    return [name for name in dict.fromkeys(wanted) if name in columns]


def answer_of(row: Mapping[str, Any], meaning: Meaning, longest: int = LONGEST) -> Answer:
    """Lay out a row of a table of answers."""
    condition = [(name, value_shown(name, row[name])) for name in (*meaning.condition, STRENGTH, SEED) if name in row]
    ratio = row.get(RATIO)
    return Answer(
        str(row[meaning.item]),
        str(row.get("task") or ""),
        clipped(row.get("prediction") or "", longest),
        clipped(row.get("reason") or "", longest),
        _marks(row),
        [(name, value) for name, value in condition if value != NO_SUCH],
        [(name.replace("_", " "), f"{row[name]:.3f}") for name in meaning.measured if _is_number(row.get(name))],
        ratio if _is_number(ratio) else None,
    )


def evidence_of(item: Item, longest: int = LONGEST) -> Evidence:
    """Lay out an item."""
    return Evidence(
        clipped(item.question, longest),
        clipped(item.context, longest),
        [(name, clipped(item.answer_of(name), longest)) for name in in_order(item.evidence) if item.answer_of(name)],
        item.image is not None or item.video is not None,
        [FACTS[name].piece for name in item.modalities if name == "audio" and item.source_of(name) is not None],
    )


def condition_shown(name: Name, meaning: Meaning, condition: Condition | None = None) -> str:
    """Return what a page calls a condition; with its strength, where its answers have one."""
    values = dict(zip(meaning.condition, name, strict=True))
    words = [value_shown(column, value) for column, value in values.items() if column != "target" and value != NO_SUCH]
    if "target" in values:
        words.append(f"toward {'the ' if values['target'] in FACTS else ''}{values['target']}")
    tried = sorted(s for s in condition.strengths if s) if condition is not None else []
    if tried:
        words.append(f"strength {' and '.join(f'{one:g}' for one in tried)}")
    return ", ".join(words) or "all answers"


def value_shown(column: str, value: Any) -> str:
    """Return a value of a column as people read it."""
    text = clipped(word(value), 80)
    if column == "method":
        return method_name(text)
    return task_name(text) if column == "task" else text


def clipped(text: Any, longest: int) -> str:
    """Return a text, or its beginning and how long it is."""
    text = str(text)
    return text if len(text) <= longest else f"{text[:longest]} … ({len(text):,} characters)"


def link(path: str, fields: Mapping[str, Any]) -> str:
    """Return an address with fields; empty ones are left out."""
    given = {name: value for name, value in fields.items() if value not in ("", None)}
    return f"{path}?{urlencode(given, errors='surrogateescape')}" if given else path


def when(run: RunEntry) -> str:
    """Return when a run was last written."""
    return datetime.fromtimestamp(run.changed(), UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def colour_of(label: str) -> str:
    """Return the class of a label: that of its modality."""
    return label if label in MODALITY_COLOURS else "other"


def _marks(row: Mapping[str, Any]) -> list[Mark]:
    found = []
    if row.get("label"):
        label = str(row["label"])
        text = f"follows the {label}" if label in FACTS else clipped(label, 40)
        found.append(Mark(text, colour_of(label)))
    for name in ("right", "correct"):
        if row.get(name) is not None:
            found.append(Mark("right", "good") if row[name] else Mark("wrong", "bad"))
    if row.get(COLLAPSED):
        found.append(Mark("collapsed", "bad"))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not math.isnan(value)
