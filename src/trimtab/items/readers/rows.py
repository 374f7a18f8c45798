"""From one row of the user's own data to one item, with a reason in one sentence if that fails."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from trimtab.errors import DataError, UsageError
from trimtab.items.evidence import COLUMNS
from trimtab.items.item import Item
from trimtab.items.relevance import relevant_name, relevant_of
from trimtab.items.sources import MediaSource
from trimtab.items.words import normalise
from trimtab.modalities import MODALITIES, PAIR, Modality, in_order, place_of

_OWN = ("id", "task", "question")
PAIR_TEXTS = ("context", "answer_image", "answer_text")
"""What a conflict of image and text must have beside its own fields."""
OPTIONAL = ("split", "choices", "tags", "relevant", "answer", "closed")
"""What a row may leave out."""
KNOWN = (*_OWN, *OPTIONAL, *COLUMNS)
"""Every field that a row may have."""
# A typing slip keeps at least this share of the letters: "answer_txt" does, "image_id" for "image" does not.
_SLIP_SIMILARITY = 0.8
_ADDRESS = re.compile(r"(https?|ftp|s3|gs|file)://|data:\S*,", re.IGNORECASE)
LONGEST_TEXT = 1_000_000
"""Characters of a field: more than any model has positions for, and enough to hold a tokenizer up for minutes."""


class SameAnswers(DataError):
    """Internal: the row is sound, but picture and text agree."""


def item_from_row(row: Mapping[str, Any], media: Mapping[Modality, MediaSource]) -> Item:
    """An item from a row with the columns of ``Item``; fields that it does not know are ignored.

    A row with ``relevant`` needs no context and may give its one right answer as ``answer``. A row that speaks of
    image and text alone needs both answers; another one needs those of what it shows.

    Raises:
        DataError: A field is missing, of the wrong type or probably misspelt, or the answers are the same.
    """
    present = {name: value for name, value in row.items() if value is not None}
    relevant = _relevant(present)
    spoken_of = _spoken_of(present, relevant)
    if relevant is not None:
        _fill_answers(present, relevant)
    pair_alone = set(spoken_of) <= set(PAIR)
    optional = [name for name, column in COLUMNS.items() if column.modality in (*PAIR, *spoken_of)]
    required = (*_OWN, *PAIR_TEXTS) if pair_alone else _OWN
    check_fields(present, {name: (name,) for name in required}, (*OPTIONAL, *optional))
    present["id"] = _id(present["id"])
    needed = relevant or (PAIR if pair_alone else ())
    filled = {*_OWN, *(f"answer_{name}" for name in needed)}
    texts: dict[str, Any] = {
        name: text_field(present, name, may_be_empty=name not in filled)
        for name in (*_OWN, "context", *(f"answer_{side}" for side in MODALITIES))
        if name in present
    }
    choices = _text_list(present, "choices")
    if relevant is not None:
        _check_relevant(relevant, texts, choices, media)
    elif pair_alone:
        check_conflict(texts["answer_image"], texts["answer_text"])
    evidence: dict[str, Any] = {place_of(kind): source for kind, source in media.items()}
    evidence |= {name: _text_list(present, name) for name in COLUMNS if name.startswith("aliases_")}
    return Item(
        **texts,
        **evidence,
        split=text_field(present, "split") if "split" in present else None,
        choices=choices,
        tags=_text_list(present, "tags"),
        relevant=relevant,
        closed=_true_or_false(present, "closed"),
    )


def _spoken_of(present: Mapping[str, Any], relevant: tuple[Modality, ...] | None) -> tuple[Modality, ...]:
    """The modalities that a row says something of."""
    said = (column.modality for name, column in COLUMNS.items() if present.get(name) not in (None, "", []))
    return in_order((*said, *(relevant or ())))


def check_fields(
    present: Mapping[str, Any], required: Mapping[str, Collection[str]], optional: Collection[str] = ()
) -> None:
    """Check that each required field is there under one of its names, and that no field looks misspelt.

    Raises:
        DataError: With every field that is missing, and the misspelt ones that may be meant.
    """
    lacking = [name for name, spellings in required.items() if not any(one in present for one in spellings)]
    if lacking:
        strange = present.keys() - set(optional).union(*required.values())
        slips = {name: get_close_matches(name, strange, n=1, cutoff=_SLIP_SIMILARITY) for name in lacking}
        renamed = ", ".join(f"rename '{slip[0]}' to '{name}'" for name, slip in slips.items() if slip)
        remedy = renamed if all(slips.values()) else f"the row has {sorted(present)}"
        names = ", ".join(f"'{name}'" for name in lacking)
        raise DataError(f"{f'field {names} is' if len(lacking) == 1 else f'fields {names} are'} missing; {remedy}.")
    known = set(optional).union(*required.values())
    for name in sorted(present.keys() - known):
        slips = get_close_matches(name, set(optional) - present.keys(), n=1, cutoff=_SLIP_SIMILARITY)
        if slips:
            raise DataError(f"field '{name}' is unknown; did you mean '{slips[0]}'?")


def text_field(row: Mapping[str, Any], name: str, *, may_be_empty: bool = False) -> str:
    """A field's trimmed text. Raises DataError if it is no sound text, or empty where it must not be."""
    value = row[name]
    if not isinstance(value, str):
        raise DataError(f"field '{name}' must be text; it is {value!r:.60}.")
    if not value.strip() and not may_be_empty:
        raise DataError(f"field '{name}' must not be empty; fill it in.")
    return _sound(value.strip(), name)


def path_field(row: Mapping[str, Any], name: str) -> str:
    """A field's text as the path of a file. Raises DataError if it is an address on the web, or data in itself."""
    path = text_field(row, name)
    if _ADDRESS.match(path):
        raise DataError(f"field '{name}' must be the path of a file; it is {path!r:.60}; save what is there as a file.")
    return path


def _sound(text: str, name: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise DataError(f"field '{name}' must have at most {LONGEST_TEXT:,} characters; it has {len(text):,}.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"field '{name}' must be Unicode text; character {error.start + 1}, {text[error.start]!r}, is none."
            ) from error
    return text


def _id(value: object) -> str:
    """An id as text; whole numbers are taken, also those that pandas made fractions of, and nothing else is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"field 'id' must be text or a whole number; it is {value!r:.60}.")
    return str(value)


def check_conflict(answer_image: str, answer_text: str) -> None:
    """Raises SameAnswers if the two answers of an item are the same, DataError if one has no word to look for."""
    for name, answer in (("answer_image", answer_image), ("answer_text", answer_text)):
        if not normalise(answer):
            raise DataError(f"field '{name}' must contain a word; it is {answer!r}.")
    if normalise(answer_image) == normalise(answer_text):
        raise SameAnswers(
            f"answer_image and answer_text must differ; {answer_image!r} and {answer_text!r} count as the same, so "
            "nothing is in conflict."
        )


def _relevant(present: Mapping[str, Any]) -> tuple[Modality, ...] | None:
    try:
        return relevant_of(present.get("relevant"), "field 'relevant'")
    except UsageError as error:
        raise DataError(str(error)) from error


def _fill_answers(present: dict[str, Any], relevant: tuple[Modality, ...]) -> None:
    """Put ``answer`` where it belongs; what the row leaves out of an irrelevant modality of the pair is empty."""
    present.setdefault("context", "")
    for side in in_order((*PAIR, *relevant)):
        if side in relevant:
            if "answer" in present and present.setdefault(f"answer_{side}", present["answer"]) != present["answer"]:
                text_field(present, "answer")
                raise DataError(
                    f"field 'answer' must be what is right; it is {present['answer']!r:.60}, and 'answer_{side}' is "
                    f"{present[f'answer_{side}']!r:.60}; leave one of them out."
                )
        else:
            present.setdefault(f"answer_{side}", "")


def _check_relevant(
    relevant: tuple[Modality, ...],
    texts: Mapping[str, str],
    choices: tuple[str, ...],
    media: Mapping[Modality, MediaSource],
) -> None:
    named, first = relevant_name(relevant), f"answer_{relevant[0]}"
    for side in relevant:
        if f"answer_{side}" not in texts:
            raise DataError(f"field 'answer_{side}' must be there where '{named}' is relevant; it is missing.")
    answer = texts[first]
    if not normalise(answer):
        raise DataError(f"field '{first}' must contain a word; it is {answer!r}.")
    for side in relevant:
        if texts[f"answer_{side}"] != answer:
            raise DataError(f"{first} and answer_{side} must be the same where both modalities are relevant.")
    for side in relevant:
        if side != "text" and side not in media:
            raise DataError(f"field '{side}' must be there where '{named}' is relevant; it is missing.")
    if choices and (answer not in choices or len(set(choices)) != len(choices)):
        raise DataError(f"field 'choices' must hold the answer {answer!r} and no option twice; it is {list(choices)}.")


def _true_or_false(row: Mapping[str, Any], name: str) -> bool:
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise DataError(f"field '{name}' must be true or false; it is {value!r:.60}.")
    return value


def _text_list(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = row.get(name, ())
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise DataError(f"field '{name}' must be a list of texts; it is {values!r:.60}.")
    return tuple(_sound(value.strip(), name) for value in values)
