"""MC²'s own JSON, in the schema it is published in and the one its scripts read.

MC² names COCO 2014 pictures and ships none, so the user says where COCO is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import DataError
from trimtab.items.item import Item, Items
from trimtab.items.readers.collect import MediumNotFound, Row, collect_items, is_there
from trimtab.items.readers.json_text import as_object
from trimtab.items.readers.rows import check_conflict, check_fields, text_field
from trimtab.items.sources import MediaFile, MediaSource, MediaUnlocated

MC2_TASKS = (
    "activity_recognition",
    "attribute",
    "color",
    "counting",
    "object_recognition",
    "positional_reasoning",
    "sentiment_understanding",
    "sport_recognition",
)
COCO_LAYOUTS = (
    "train2014/COCO_train2014_{id}.jpg",
    "val2014/COCO_val2014_{id}.jpg",
    "train2017/{id}.jpg",
    "val2017/{id}.jpg",
    "{id}.jpg",
)
_FIELDS = {
    "image_id": ("image_id",),
    "task": ("task",),
    "question": ("question",),
    "context": ("context",),
    "answer_vision": ("answer_vision", "gt"),
    "answer_text": ("answer_text", "hitem"),
}


def read_mc2(source: Path, content: object, images: Path | None, *, skip_missing: bool) -> Items:
    """Items of what MC²'s annotation file holds; see ``read_items``. Without ``images``, pictures stay unlocated."""

    def parse(number: int, content: object) -> Item:
        return _item(number, content, images)

    return collect_items(_rows(source, content), parse, source, skip_missing=skip_missing)


def _rows(source: Path, content: object) -> Iterator[Row[object]]:
    if not isinstance(content, list):
        raise DataError(
            f"source {source} must hold a JSON list, as MC²'s file does; it holds "
            f"{content!r:.40}; save data of your own as .jsonl."
        )
    return (Row(number, record) for number, record in enumerate(content, start=1))


def _item(number: int, content: object, images: Path | None) -> Item:
    record = as_object(content, "the record")
    check_fields(record, _FIELDS)
    texts = {name: text_field(record, _spelling(record, name)) for name in _FIELDS if name != "context"}
    if texts["task"] not in MC2_TASKS:
        raise DataError(f"task must be one of {', '.join(MC2_TASKS)}; it is '{texts['task']}'.")
    check_conflict(texts["answer_vision"], texts["answer_text"])
    return Item(
        # Pictures repeat in MC², so the row is part of the id.
        id=f"mc2-{number:04d}-{texts['image_id']}",
        task=texts["task"],
        question=texts["question"],
        context=_context(record),
        answer_image=texts["answer_vision"],
        answer_text=texts["answer_text"],
        image=_image(texts["image_id"], images),
    )


def _spelling(record: Mapping[str, Any], name: str) -> str:
    return next(spelling for spelling in _FIELDS[name] if spelling in record)


def _context(record: Mapping[str, Any]) -> str:
    """The conflicting context: a text, or under "icc" as the published scripts want it."""
    context = record["context"]
    if isinstance(context, dict):
        as_object(context, "field 'context'")
        if "icc" not in context:
            raise DataError(f"field 'context' must have the key 'icc'; it has {sorted(context)}.")
        return text_field(context, "icc")
    return text_field(record, "context")


def _image(image_id: str, images: Path | None) -> MediaSource:
    if images is None:
        return MediaUnlocated(image_id)
    names = _file_names(image_id)
    found = next((images / name for name in names if is_there(images / name)), None)
    if found is None:
        raise MediumNotFound(f"image {' or '.join(names)}")
    return MediaFile(found)


def _file_names(image_id: str) -> list[str]:
    """Where a picture may be, best first; an id that already is a COCO name is used as it is."""
    if "COCO" in image_id:
        return [image_id if Path(image_id).suffix else f"{image_id}.jpg"]
    return [layout.format(id=image_id) for layout in COCO_LAYOUTS]
