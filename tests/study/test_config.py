"""A study's file: what it may hold, and what is refused before a model is loaded."""

from pathlib import Path

import pytest

from trimtab.errors import UsageError
from trimtab.study import read_plan


def test_a_file_becomes_a_plan(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(
        "models: [pocket-qwen]\nmethods: [none, vcd, literal]\nprotocols: [open, paired]\nstrengths: [1, 2]\n"
        "variants:\n  literal: {method: amps, reading: literal, train_items: 8, layers: [3]}\n"
    )
    plan = read_plan(path)
    assert (plan.name, plan.strengths, plan.protocols) == ("ours", (1, 2), ("open", "paired"))
    assert plan.spec("literal").own_options == {"reading": "literal"}
    assert plan.wanted() == [
        ("none", "image"),
        ("vcd", "image"),
        ("literal", "image"),
        ("none", "text"),
        ("literal", "text"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "fields and values"),
        ("modles: [x]", "modles"),
        ("seed: many", "seed"),
        ("methods: none", "methods"),
        ("methods: [magic]", "magic"),
        ("methods: [x]\nvariants:\n  x: {method: magic}", "magic"),
        ("methods: [x]\nvariants:\n  x: {method: mean, colour: red}", "colour"),
        ("methods: [x]\nvariants:\n  x: {method: mean, norm: long}", "norm"),
        ("protocols: [telepathy]", "protocols"),
        ("protocols: [single]", "chosen and swept"),
        ("models: [", "readable"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_plan(path)


@pytest.mark.parametrize("name", ["steering", "ablations"])
def test_the_recipes_are_plans(name):
    plan = read_plan(Path(__file__).parents[2] / "recipes" / f"{name}.yaml")
    assert plan.name == name
    assert set(plan.variants) <= set(plan.methods)
