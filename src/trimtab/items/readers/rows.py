"""From one row of the user's own data to one item, with a reason in one sentence if that fails."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from trimtab.errors import DataError
from trimtab.items.item import RELEVANT, Item, Relevant
from trimtab.items.sources import MediaSource
from trimtab.items.words import normalise

REQUIRED = ("id", "task", "question", "context", "answer_image", "answer_text")
OPTIONAL = ("image", "split", "aliases_image", "aliases_text", "choices", "tags", "relevant", "answer", "closed")
_MAY_BE_EMPTY = frozenset({"context"})
_IRRELEVANT = {"image": frozenset({"answer_text"}), "text": frozenset({"answer_image"})}
# A typing slip keeps at least this share of the letters: "answer_txt" does, "image_id" for "image" does not.
_SLIP_SIMILARITY = 0.8
_ADDRESS = re.compile(r"(https?|ftp|s3|gs|file)://|data:\S*,", re.IGNORECASE)
LONGEST_TEXT = 1_000_000
"""Characters of a field: more than any model has positions for, and enough to hold a tokenizer up for minutes."""


def item_from_row(row: Mapping[str, Any], image: MediaSource | None) -> Item:
    """An item from a row with the fields of ``Item``; fields that it does not know are ignored.

    A row with ``relevant`` needs no context and may give its one right answer as ``answer``.

    Raises:
        DataError: A field is missing, of the wrong type or probably misspelt, or the answers are the same.
    """
    present = {name: value for name, value in row.items() if value is not None}
    relevant = _relevant(present)
    if relevant is not None:
        _fill_answers(present, relevant)
    check_fields(present, {name: (name,) for name in REQUIRED}, OPTIONAL)
    present["id"] = _id(present["id"])
    may_be_empty = _MAY_BE_EMPTY | (frozenset() if relevant is None else _IRRELEVANT.get(relevant, frozenset()))
    texts = {name: text_field(present, name, may_be_empty=name in may_be_empty) for name in REQUIRED}
    choices = _text_list(present, "choices")
    if relevant is None:
        check_conflict(texts["answer_image"], texts["answer_text"])
    else:
        _check_relevant(relevant, texts, choices, image)
    split = text_field(present, "split") if "split" in present else None
    return Item(
        id=texts["id"],
        task=texts["task"],
        question=texts["question"],
        context=texts["context"],
        answer_image=texts["answer_image"],
        answer_text=texts["answer_text"],
        image=image,
        split=split,
        aliases_image=_text_list(present, "aliases_image"),
        aliases_text=_text_list(present, "aliases_text"),
        choices=choices,
        tags=_text_list(present, "tags"),
        relevant=relevant,
        closed=_true_or_false(present, "closed"),
    )


def check_fields(
    present: Mapping[str, Any], required: Mapping[str, Collection[str]], optional: Collection[str] = ()
) -> None:
    """Check that each required field is there under one of its names, and that no field looks misspelt.

    Raises:
        DataError: With the field, and the misspelt one that may be meant.
    """
    for name, spellings in required.items():
        if not any(spelling in present for spelling in spellings):
            known = set(optional).union(*required.values())
            slips = get_close_matches(name, present.keys() - known, n=1, cutoff=_SLIP_SIMILARITY)
            remedy = f"rename '{slips[0]}' to '{name}'" if slips else f"the row has {sorted(present)}"
            raise DataError(f"field '{name}' is missing; {remedy}.")
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
        raise DataError(f"field '{name}' must be the path of a file; it is {path!r:.60}; save the picture as a file.")
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


def _id(value: Any) -> Any:
    """An id as text; whole numbers are taken, also those that pandas made fractions of, and nothing else is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"field 'id' must be text or a whole number; it is {value!r:.60}.")
    return str(value)


def check_conflict(answer_image: str, answer_text: str) -> None:
    """Raises DataError if the two answers of an item are the same, or one has no word to look for."""
    for name, answer in (("answer_image", answer_image), ("answer_text", answer_text)):
        if not normalise(answer):
            raise DataError(f"field '{name}' must contain a word; it is {answer!r}.")
    if normalise(answer_image) == normalise(answer_text):
        raise DataError(
            f"answer_image and answer_text must differ; both are {answer_image!r}, so nothing is in conflict."
        )


def _relevant(present: Mapping[str, Any]) -> Relevant | None:
    value = present.get("relevant")
    if value is not None and value not in RELEVANT:
        raise DataError(f"field 'relevant' must be one of {', '.join(RELEVANT)}; it is {value!r:.60}.")
    return value


def _fill_answers(present: dict[str, Any], relevant: Relevant) -> None:
    """Put ``answer`` where it belongs; what the row leaves out of the irrelevant modality is empty."""
    present.setdefault("context", "")
    for side in ("image", "text"):
        if relevant in (side, "both"):
            if "answer" in present and present.setdefault(f"answer_{side}", present["answer"]) != present["answer"]:
                text_field(present, "answer")
                raise DataError(
                    f"field 'answer' must be what is right; it is {present['answer']!r:.60}, and 'answer_{side}' is "
                    f"{present[f'answer_{side}']!r:.60}; leave one of them out."
                )
        else:
            present.setdefault(f"answer_{side}", "")


def _check_relevant(
    relevant: Relevant, texts: Mapping[str, str], choices: tuple[str, ...], image: MediaSource | None
) -> None:
    side = "image" if relevant == "image" else "text"
    answer = texts[f"answer_{side}"]
    if not normalise(answer):
        raise DataError(f"field 'answer_{side}' must contain a word; it is {answer!r}.")
    if relevant == "both" and texts["answer_image"] != texts["answer_text"]:
        raise DataError("answer_image and answer_text must be the same where both modalities are relevant.")
    if relevant != "text" and image is None:
        raise DataError(f"field 'image' must be there where '{relevant}' is relevant; it is missing.")
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
