"""VQAv2's two files, and others in their form: questions, and what ten people answered.

An item has one right answer, which the picture gives: the most frequent one. As in VQA's own measure, what three
people or more answered counts as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import DataError
from trimtab.items.item import Item, Items
from trimtab.items.readers.collect import MediumNotFound, Row, collect_items, is_there
from trimtab.items.readers.json_text import as_object
from trimtab.items.readers.rows import check_fields, text_field
from trimtab.items.sources import MediaFile, MediaSource, MediaUnlocated
from trimtab.items.words import normalise

AGREED = 3
"""People whose answer counts in full in VQA's measure."""
SUBTYPES = ("val2014", "train2014", "test2015", "val2017", "train2017")


def is_vqa(content: object) -> bool:
    """Whether the content of a JSON file is VQA's questions."""
    return isinstance(content, dict) and isinstance(content.get("questions"), list)


def read_vqa(
    source: Path, content: Mapping[str, Any], answers: object, images: Path | None, *, skip_missing: bool
) -> Items:
    """Items of VQA's questions; see ``read_items``. Without ``images``, pictures stay unlocated.

    Args:
        source: The file of questions.
        content: What it holds.
        answers: What the file of annotations holds.
        images: The folder of the pictures.
        skip_missing: Leave out rows whose picture is missing.

    Raises:
        DataError: The annotations are no such file.
    """
    held = answers.get("annotations") if isinstance(answers, dict) else None
    if not isinstance(held, list):
        raise DataError(f"annotations of {source} must be VQA's, with a list 'annotations'; they hold {answers!r:.40}.")
    by_question = {one.get("question_id"): one for one in held if isinstance(one, dict)}
    subtype = str(content.get("data_subtype", ""))

    def parse(_number: int, row: object) -> Item:
        asked = as_object(row, "the question")
        check_fields(asked, {name: (name,) for name in ("question_id", "image_id", "question")})
        told = as_object(by_question.get(asked["question_id"]), f"the annotation of question {asked['question_id']}")
        check_fields(told, {"multiple_choice_answer": ("multiple_choice_answer",)})
        right = text_field(told, "multiple_choice_answer")
        return Item(
            id=str(asked["question_id"]),
            task=str(told.get("answer_type") or told.get("question_type") or "vqa"),
            question=text_field(asked, "question"),
            answer_image=right,
            aliases_image=_agreed(told, right),
            image=_picture(asked["image_id"], subtype, images),
            relevant="image",
        )

    rows = (Row(number, one) for number, one in enumerate(content["questions"], start=1))
    return collect_items(rows, parse, source, skip_missing=skip_missing)


def annotations_of(source: Path) -> Path:
    """Return the file of annotations that lies beside a file of questions, by the names that they are published under.

    Raises:
        DataError: There is none.
    """
    name = source.name.replace("OpenEnded_", "").replace("MultipleChoice_", "").replace("questions", "annotations")
    beside = source.with_name(name)
    if beside == source or not beside.is_file():
        raise DataError(
            f"source {source} holds VQA's questions, and its annotations must lie beside it as {name}; there is none; "
            "put it there."
        )
    return beside


def _agreed(told: Mapping[str, Any], right: str) -> tuple[str, ...]:
    """What at least ``AGREED`` people answered beside the right answer."""
    given = [one.get("answer") for one in told.get("answers") or [] if isinstance(one, dict)]
    counts, known = Counter(one for one in given if isinstance(one, str)), ("", normalise(right))
    return tuple(one for one, times in counts.items() if times >= AGREED and normalise(one) not in known)


def _picture(number: object, subtype: str, images: Path | None) -> MediaSource:
    name = str(number)
    if images is None:
        return MediaUnlocated(name)
    padded = name.zfill(12)
    kinds = [subtype, *SUBTYPES] if subtype else SUBTYPES
    names = [f"{folder}COCO_{kind}_{padded}.jpg" for kind in kinds for folder in (f"{kind}/", "")]
    names += [f"{padded}.jpg", f"{name}.jpg", f"{name}.png"]
    found = next((images / one for one in names if is_there(images / one)), None)
    if found is None:
        raise MediumNotFound(f"image {names[1]}")
    return MediaFile(found)
