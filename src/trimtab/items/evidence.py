"""What an item's modalities show and support, and the flat columns that files and calls name it by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import Any, Literal, NamedTuple, TypeVar

from trimtab.errors import UsageError
from trimtab.fields import check_value, shown
from trimtab.items.sources import MediaSource, as_source
from trimtab.modalities import MODALITIES, ColumnsRead, Modality, place_of

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Evidence:
    """What one modality of an item shows, and the answer that it supports.

    Attributes:
        content: A passage for ``text``; else where the picture, sound or clip comes from, in any form that an item
            takes. None for an item that is asked without it.
        answer: The answer it supports; empty if it supports none.
        aliases: Other wordings of the answer.
    """

    content: object = None
    answer: str = ""
    aliases: tuple[str, ...] = ()


class EvidenceSet(Mapping[Modality, Evidence]):
    """Evidence by modality, in the order of tables. It cannot be changed, and can be hashed and pickled."""

    def __init__(self, held: Mapping[Modality, Evidence]) -> None:
        self._held: dict[Modality, Evidence] = {name: held[name] for name in MODALITIES if name in held}

    def __getitem__(self, modality: Modality) -> Evidence:
        return self._held[modality]

    def __iter__(self) -> Iterator[Modality]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __hash__(self) -> int:
        return hash(tuple(self._held.items()))

    def __repr__(self) -> str:
        return repr(self._held)


class Column(NamedTuple):
    """Where a flat column stands: the modality, and the field of its evidence."""

    modality: Modality
    part: Literal["content", "answer", "aliases"]


COLUMNS: dict[str, Column] = {
    **{place_of(name): Column(name, "content") for name in MODALITIES},
    **{f"answer_{name}": Column(name, "answer") for name in MODALITIES},
    **{f"aliases_{name}": Column(name, "aliases") for name in MODALITIES},
}
"""Every column of evidence by its name."""

_EMPTY = Evidence()


class EvidenceColumns(ColumnsRead[MediaSource]):
    """The columns of an item's evidence as attributes, made below; what it has no evidence for is empty."""

    evidence: Mapping[Modality, Evidence]


def _nothing(column: Column) -> str | tuple[str, ...] | None:
    if column.part == "content":
        return "" if column.modality == "text" else None
    return getattr(_EMPTY, column.part)


def _hint(column: Column) -> str:
    """What a signature says that a column is."""
    if column.part == "content" and column.modality != "text":
        return "MediaSource | Given | None" if column.modality == "image" else "Any"
    return "tuple[str, ...]" if column.part == "aliases" else "str"


def _reader(column: Column) -> property:
    def read(self: EvidenceColumns) -> object:
        value = getattr(self.evidence.get(column.modality, _EMPTY), column.part)
        return _nothing(column) if value is None else value

    return property(read, doc=f"The {column.part} of its {column.modality} evidence.")


for _name, _column_of_it in COLUMNS.items():
    setattr(EvidenceColumns, _name, _reader(_column_of_it))


def columns_shown(kind: Class) -> Class:
    """Decorate a class whose ``__init__`` takes columns: its signature names each of them."""
    own = signature(kind.__init__)
    named = [each for each in own.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    columns = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=_nothing(column), annotation=_hint(column))
        for name, column in COLUMNS.items()
    ]
    setattr(kind.__init__, "__signature__", own.replace(parameters=[*named, *columns]))  # noqa: B010, no declared attribute
    return kind


def gathered(evidence: Mapping[Modality, Evidence] | None, columns: Mapping[str, Any], owner: str) -> EvidenceSet:
    """Put evidence and columns together; a column goes before what the evidence says.

    Args:
        evidence: Evidence by modality.
        columns: Columns by name.
        owner: Whose they are, for errors.

    Raises:
        UsageError: One is not of its type.
        DataError: A medium cannot be shown.
    """
    held = _checked(evidence, owner)
    for name, value in columns.items():
        modality, part = COLUMNS[name]
        held[modality] = replace(held.get(modality, _EMPTY), **{part: _column(name, value, owner)})
    return EvidenceSet({name: one for name, one in held.items() if one != _EMPTY})


def _checked(evidence: Mapping[Modality, Evidence] | None, owner: str) -> dict[Modality, Evidence]:
    found: dict[Modality, Evidence] = {}
    if evidence is None or isinstance(evidence, EvidenceSet):
        return dict(evidence or {})
    if not isinstance(evidence, Mapping):
        raise UsageError(f"`evidence` of {owner} must be modalities and their Evidence; got {shown(evidence)}.")
    for modality, one in evidence.items():
        if modality not in MODALITIES or not isinstance(one, Evidence):
            raise UsageError(
                f"`evidence` of {owner} must give an Evidence for modalities among {', '.join(MODALITIES)}; got "
                f"{shown(one)} for {shown(modality)}."
            )
        content = None if one.content is None else _column(place_of(modality), one.content, owner)
        answer = _text(f"answer_{modality}", one.answer, owner)
        found[modality] = Evidence(content, answer, _texts(f"aliases_{modality}", one.aliases, owner))
    return found


def _column(name: str, value: Any, owner: str) -> str | tuple[str, ...] | MediaSource | None:
    """Return a column's value as evidence holds it."""
    modality, part = COLUMNS[name]
    if part == "aliases":
        return _texts(name, value, owner)
    if part == "content" and modality != "text":
        return as_source(value, modality)
    text = _text(name, value, owner)
    return text or None if part == "content" else text


def _text(name: str, value: str, owner: str) -> str:
    check_value(name, owner, str, value)
    return value


def _texts(name: str, value: Iterable[str], owner: str) -> tuple[str, ...]:
    check_value(name, owner, tuple[str, ...], value)
    return tuple(value)
