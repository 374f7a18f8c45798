"""Pocket items as items: with a stand-in for the converter, with the real benchmark for the judge."""

from types import SimpleNamespace

import pytest
from PIL import Image

from trimtab import pocket
from trimtab.errors import UsageError
from trimtab.items import RELEVANT, judge, read_items, relevant_name, valid_answers


def stand_in(split: str, kind: str = "conflict") -> list[SimpleNamespace]:
    scene = SimpleNamespace(render=lambda: Image.new("RGBA", (4, 4), "red"))
    texts = {"question": "?", "context": "It is tan.", "answer_image": "red", "answer_text": "tan"}
    lists = {"aliases_image": ["crimson"], "aliases_text": (), "choices": ("red", "tan")}
    return [SimpleNamespace(id="p1", task="color", split=split, scene=scene, relevant=kind, **texts, **lists)]


def test_a_pocket_record_becomes_an_item(monkeypatch):
    monkeypatch.setattr(pocket, "items", stand_in, raising=False)
    (item,) = read_items("pocket-mc2:validation")
    assert (item.id, item.split, item.aliases_image, item.choices) == (
        "p1",
        "validation",
        ("crimson",),
        ("red", "tan"),
    )
    assert item.image is not None
    assert item.image.open().mode == "RGB"


@pytest.mark.parametrize(("source", "split"), [("pocket-mc2", "test"), ("pocket-mc2:test", "test")])
def test_the_split_may_be_named_either_way(monkeypatch, source, split):
    monkeypatch.setattr(pocket, "items", stand_in, raising=False)
    assert read_items(source, split=split)[0].split == "test"


@pytest.mark.parametrize(
    ("source", "split"), [("pocket-mc2", None), ("pocket-mc2:dev", None), ("pocket-mc2:test", "train")]
)
def test_other_splits_are_refused(source, split):
    with pytest.raises(UsageError, match="'pocket-mc2:train', 'pocket-mc2:validation', 'pocket-mc2:test'"):
        read_items(source, split=split)


def test_the_interference_source_holds_each_family():
    items = read_items("pocket-interference:validation")
    by_family = {family: [i for i in items if relevant_name(i.relevant) == family] for family in RELEVANT}
    assert {family: len(found) for family, found in by_family.items()} == {"image": 200, "text": 200, "both": 200}
    assert all(item.answer in item.choices for item in items)
    assert {item.answer_image for item in by_family["text"]} == {""}


@pytest.mark.skipif(not hasattr(pocket, "items"), reason="the pocket benchmark is not built yet")
def test_every_pocket_answer_is_judged_right():
    items = read_items("pocket-mc2:test")
    valid = valid_answers(items)
    wrong = [
        (item, judgement)
        for item in items
        for side, answers in (
            ("image", (item.answer_image, *item.aliases_image)),
            ("text", (item.answer_text, *item.aliases_text)),
        )
        for answer in answers
        if (judgement := judge(f"A {answer}.", item, valid[item.task])).label != side or judgement.collapsed
    ]
    assert wrong == []
