"""What one item does wrong costs that item alone, whichever verb asks; and costs nothing where nothing is wrong."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from tests.contribution.items import conflict_items

from trimtab.circuits import build_cases
from trimtab.contribution import MCS, measure
from trimtab.contribution.scores import Scores
from trimtab.engine import Prompt, admit, encode
from trimtab.errors import UsageError
from trimtab.items import ImageScene, Item, MediaBytes
from trimtab.items.admission import admit_items, check_items
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import MeanDifference, NoSteering, states, tune
from trimtab.studies import evaluate
from trimtab.testing import tiny_model

QUICK = MCS(top_tokens=4)


class Drawn:
    """A scene with a picture of its own."""

    def __init__(self, make: Callable[[], Image.Image]) -> None:
        self.make = make

    def render(self) -> Image.Image:
        return self.make()


def fail() -> Image.Image:
    raise ZeroDivisionError("nothing to draw")


def broken(model: Model) -> dict[str, Item]:
    """An item for each way to be wrong, and one with the model's own image token, which is plain text in a context."""
    good = conflict_items(1)[0]
    token = model.tokenizer.convert_ids_to_tokens(model.placeholders["image"])
    return {
        "corrupt": replace(good, id="corrupt", image=MediaBytes(b"\0\0\0 ftypavif junk")),
        "scene": replace(good, id="scene", image=ImageScene(Drawn(fail))),
        "surrogate": replace(good, id="surrogate", question="\ud800 what?"),
        "token": replace(good, id="token", context=f"{token} here"),
        "missing": replace(good, id="missing", image="nowhere.png"),
        "slim": replace(good, id="slim", image=ImageScene(Drawn(lambda: Image.new("RGB", (0, 9))))),
        "mode": replace(good, id="mode", image=ImageScene(Drawn(lambda: Image.new("F", (9, 9), float("nan"))))),
    }


@pytest.fixture
def mixed(model: Model) -> list[Item]:
    first, second = conflict_items(2)
    return [first, *broken(model).values(), second]


def test_a_bad_item_is_left_out_and_the_others_stay(model: Model, mixed):
    found = admit_items(model, mixed, lambda item: [prompt_for(item)], "`items` of f")
    assert [item.id for item in found.items] == ["item-0", "token", "item-1"]
    assert [s.row for s in found.skipped] == [2, 3, 4, 6, 7, 8]
    assert all(len(s.reason) < 600 for s in found.skipped)


def test_every_verb_goes_on_without_it(model: Model, mixed):
    good = [mixed[0], mixed[-1]]
    asked = [i for i in mixed if i.id != "token"]
    assert [c.item_id for c in measure(model, asked, method=QUICK)] == ["item-0", "item-1"]
    artifact = MeanDifference("image", layer=1).fit(model, asked)
    assert artifact.metrics["train"] == {**artifact.metrics["train"], "items": 2, "skipped": 6}
    assert tune(MeanDifference("image"), model, good, asked, [1], [1.0]).metrics["validation"]["items"] == 2
    found = evaluate(model, asked, [NoSteering().fit(model), artifact], max_new_tokens=1)
    assert set(found.answers["id"]) == {"item-0", "item-1"}
    assert [s.row for s in found.skipped] == [2, 3, 4, 5, 6, 7]
    assert {case.item.id for case in build_cases(model, asked)} == {"item-0", "item-1"}


def test_good_items_are_asked_as_before(model: Model, mixed):
    good = [mixed[0], mixed[-1]]
    alone, among = measure(model, good, method=QUICK), measure(model, mixed[:-2] + good[1:], method=QUICK)
    for a, b in zip(alone, [c for c in among if c.item_id != "token"], strict=True):
        assert (a.image, a.text) == pytest.approx((b.image, b.text), rel=1e-4)


def test_a_picture_that_the_processor_refuses(mixed):
    model = tiny_model("qwen2_5_vl")
    slim = Prompt("What?", images=(Image.new("RGB", (1, 20_000)),))
    reasons = admit(model, [prompt_for(mixed[0]), slim, encode(model, prompt_for(mixed[-1]))])
    assert reasons.keys() == {1}
    assert "aspect ratio" in reasons[1]


def test_a_picture_whose_features_are_not_finite(model: Model, monkeypatch):
    first, second, third = (prompt_for(item) for item in conflict_items(3))
    bad = encode(model, second).media[0].key
    embed, asked = model.family.embed_media, []

    def embed_badly(hf: Any, pixels: list) -> list:
        asked.extend(p.key for p in pixels)
        return [e * torch.nan if p.key == bad else e for p, e in zip(pixels, embed(hf, pixels), strict=True)]

    model.forget_media()
    monkeypatch.setattr(type(model.family), "embed_media", lambda _self, hf, pixels: embed_badly(hf, pixels))
    reasons = admit(model, [first, second, third, second])
    model.forget_media()
    assert reasons.keys() == {1, 3}
    assert "must have finite features" in reasons[1]
    assert len(asked) == len(set(asked)) == 3


def test_a_picture_that_the_vision_tower_refuses_is_found_among_others(model: Model, monkeypatch):
    prompts = [prompt_for(item) for item in conflict_items(3)]
    bad = encode(model, prompts[1]).media[0].key
    embed = model.family.embed_media

    def refuse(_self: Any, hf: Any, pixels: list) -> list:
        if bad in {p.key for p in pixels}:
            raise RuntimeError("bad picture")
        return embed(hf, pixels)

    model.forget_media()
    monkeypatch.setattr(type(model.family), "embed_media", refuse)
    assert admit(model, prompts) == {1: "the model cannot take it (RuntimeError: bad picture)"}
    model.forget_media()


def test_a_prompt_that_does_not_fit_the_positions(model: Model):
    positions = model.max_positions
    assert positions is not None
    short, long = (Prompt("What?", context="dog " * n) for n in (3, positions))
    assert admit(model, [short, long]).keys() == {1}
    room = positions - len(encode(model, short))
    assert admit(model, [short], new_tokens=room) == {}
    assert "positions" in admit(model, [short], new_tokens=room + 1)[0]


def test_a_lack_of_memory_is_no_ones_fault(model: Model, monkeypatch):
    def fail(*_: Any) -> list:
        raise MemoryError

    model.forget_media()
    monkeypatch.setattr(type(model.family), "embed_media", fail)
    with pytest.raises(MemoryError):
        admit(model, [prompt_for(conflict_items(1)[0])])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (conflict_items(2) + conflict_items(1), r"must have an id each; 'item-0' stands at places 1 and 3"),
        ([conflict_items(1)[0], "a.jsonl"], r"place 2 holds 'a\.jsonl'"),
        ([SimpleNamespace(id="a")], "must be a list of trimtab.Item"),
        ("a.jsonl", "must be a list of items"),
        (conflict_items(1)[0], "must be a list of items"),
        (None, "must be a list of items; got None"),
    ],
)
def test_what_is_no_list_of_items_is_refused(items, message):
    with pytest.raises(UsageError, match=message):
        check_items(items, "`items` of f")


def test_nothing_left_is_an_error_with_the_first_reason(model: Model):
    bad = broken(model)["corrupt"]
    found = admit_items(model, [bad], lambda item: [prompt_for(item)], "`items` of f")
    with pytest.raises(UsageError, match=r"`items` of f must hold at least one .* corrupt"):
        found.require("`items` of f")


def test_scores_that_are_not_finite_cost_their_item_alone(model: Model, monkeypatch):
    scores = [Scores.of({"image": image, "text": 1.0}) for image in (1.0, torch.nan, 0.0)]
    monkeypatch.setattr(MCS, "scores", lambda *_: scores)
    found = measure(model, conflict_items(3), method=MCS())
    assert [c.item_id for c in found] == ["item-0", "item-2"]
    assert [s.row for s in found.skipped] == [2]
    assert "not finite" in found.skipped[0].reason


def test_states_that_are_not_finite_cost_their_item_alone(model: Model, monkeypatch):
    items, run = conflict_items(3), states.run

    def run_badly(*arguments: Any, **options: Any) -> Any:
        read = run(*arguments, **options)
        read.hidden[1][4] = torch.inf
        return read

    monkeypatch.setattr(states, "run", run_badly)
    found = states.collect_states(model, items, [1, 2])
    assert [item.id for item in found.items] == ["item-0", "item-2"]
    assert found.plain[2].shape[0] == found.instructed["text"][1].shape[0] == 2
    assert [s.row for s in found.skipped] == [2]
