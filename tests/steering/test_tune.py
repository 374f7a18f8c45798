"""Tuning: the grid, the choice, and what is left out."""

from dataclasses import replace

import pytest

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from trimtab.engine import Row, generate
from trimtab.errors import UsageError
from trimtab.items import MediaBytes
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.progress import Within
from trimtab.steering import TrainingSet, tune
from trimtab.steering.tuning import _merit


def test_the_whole_grid_is_recorded_and_the_best_kept(model: Model, train: TrainingSet):
    answer = generate(model, quick("mean", layer=1).fit(model, train).rows(model, held_out_items(), 4.0)).texts[0]
    items = [replace(i, answer_image=answer or "one") for i in held_out_items()]
    done: list[int] = []
    tuned = tune(quick("mean"), model, train, items, [1, 2], [0.0, 4.0], Within(done.append))
    grid = tuned.metrics["grid"]
    assert [(g["layer"], g["strength"]) for g in grid] == [(1, 0.0), (1, 4.0), (2, 0.0), (2, 4.0)]
    best = max(g["following"] - g["collapse"] for g in grid)
    found = tuned.metrics["validation"]
    assert found["following"] - found["collapse"] == best
    assert (tuned.layer, tuned.strength) == (found["layer"], found["strength"])
    for g in grid:
        assert g["following"] + g["opposite"] + g["other"] == pytest.approx(1)
    assert sum(done) == len(grid) * len(items)


def test_ties_go_to_the_smaller_strength_then_the_earlier_layer():
    def row(layer: int, strength: float, following: float) -> dict:
        return {"layer": layer, "strength": strength, "following": following, "collapse": 0.1}

    rows = [row(3, 1.0, 0.5), row(2, 0.5, 0.5), row(1, 0.5, 0.5), row(1, 0.25, 0.4)]
    assert max(rows, key=_merit) == rows[2]


def test_amps_chooses_its_reading(model: Model, train: TrainingSet):
    tuned = tune(quick("amps"), model, train, held_out_items(), [1], [1.0])
    assert {g["variant"] for g in tuned.metrics["grid"]} == {"literal", "prose"}
    assert tuned.options["reading"] == tuned.metrics["validation"]["variant"]
    fixed = tune(quick("amps", reading="literal"), model, train, held_out_items(), [1], [1.0])
    assert {g["variant"] for g in fixed.metrics["grid"]} == {"literal"}


@pytest.mark.parametrize("name", ["none", "instruction"])
def test_methods_without_edits_have_one_candidate(model: Model, name: str):
    tuned = tune(quick(name), model, [], held_out_items())
    assert len(tuned.metrics["grid"]) == 1
    if name == "none":
        plain = generate(model, [Row(prompt_for(i)) for i in held_out_items()]).texts
        assert generate(model, tuned.rows(model, held_out_items())).texts == plain


def test_corrupt_pictures_are_left_out_and_counted(model: Model, train: TrainingSet):
    broken = replace(held_out_items()[0], id="broken", image=MediaBytes(b"no picture"))
    tuned = tune(quick("mean"), model, train, [*held_out_items(), broken], [1], [1.0])
    assert (tuned.metrics["validation"]["items"], tuned.metrics["validation"]["skipped"]) == (3, 1)
    again = quick("mean").fit(model, [*train.given, broken])
    assert again.metrics["train"]["skipped"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strengths": []}, "strengths"),
        ({"strengths": [float("inf")]}, "strengths"),
        ({"layers": []}, "layers"),
        ({"layers": [9]}, "layer"),
        ({"validation": []}, "validation"),
    ],
)
def test_nothing_to_choose_from_is_refused(model: Model, train: TrainingSet, arguments: dict, message: str):
    with pytest.raises(UsageError, match=message):
        tune(**({"method": quick("l2s"), "model": model, "train": train, "validation": held_out_items()} | arguments))
