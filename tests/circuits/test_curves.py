"""Curves over layers from tables made by hand."""

import numpy as np
import pytest

from trimtab.studies.circuits.curves import (
    beyond_controls,
    deep_sums,
    flow_curves,
    latent_decisions,
    layer_curves,
)
from trimtab.studies.kit.simultaneous import simultaneous
from trimtab.studies.kit.statistics import wilson


def test_flow_curves_average_cases_and_count_flips():
    row = {"edge": "image to last", "target": "image", "layer": 0, "effect": -1.0, "change": -2.0}
    labels = [("following", "following"), ("following", "opposite"), ("other", "other")]
    rows = [{**row, "id": str(k), "label_before": a, "label_after": b} for k, (a, b) in enumerate(labels)]
    rows[2]["effect"] = 2.0
    (curve,) = flow_curves(rows)
    assert (curve["n"], curve["effect"], curve["flips"]) == (3, 0.0, 0.5)
    assert (curve["effect_low"], curve["effect_high"]) == (None, None)  # of three items


def cut(edge: str, values: np.ndarray) -> list[dict]:
    """Rows of a knockout: a row of values for each item, a column for each layer."""
    common = {"edge": edge, "target": "image", "label_before": "following", "label_after": "following"}
    return [
        {**common, "id": f"item {item}", "layer": layer, "effect": float(value), "change": -1.0}
        for item, row in enumerate(values)
        for layer, value in enumerate(row)
    ]


def test_a_curve_is_corrected_for_its_layers():
    values = np.random.default_rng(0).standard_normal((14, 5)) - [0, 0, 2, 0, 0]
    curves, expected = flow_curves(cut("image to last", values), seed=3), simultaneous(values, seed=3)
    assert [row["effect_p"] for row in curves] == expected.p.tolist()
    assert [row["effect_low"] for row in curves] == expected.low.tolist()
    assert curves[2]["effect_p"] < 0.05
    assert [(row["change"], row["change_low"]) for row in curves] == [(-1.0, None)] * 5


def test_a_control_is_compared_in_the_cases_that_have_one():
    values = np.random.default_rng(1).standard_normal((9, 3))
    rows = cut("image to instruction", values) + cut("random for image to instruction", values[:7] + 0.5)
    found = beyond_controls(rows)
    assert [(row["edge"], row["layer"], row["n"]) for row in found] == [
        ("image to instruction", k, 7) for k in range(3)
    ]
    assert [row["effect"] for row in found] == pytest.approx([-0.5] * 3)


def test_latent_decisions_of_the_deepest_quarter_count_once_an_item():
    rows = [
        {"norm": norm, "span": span, "id": str(k), "layer": layer, "agrees": layer > 5 and k < 6}
        for norm in ("none", "final")
        for span in ("anchor", "last")
        for k in range(8)
        for layer in range(8)
    ]
    found = latent_decisions([*rows, *rows])
    assert (found["items"], found["readings"], found["agreement"]) == (8, 32, 0.75)
    assert (found["agreement"], found["agreement_low"], found["agreement_high"]) == pytest.approx(wilson(6, 8))


def layer_rows() -> tuple[list[dict], list[dict]]:
    baseline = [
        {"id": "a", "target": "image", "label": "following", "prior": -1.0},
        {"id": "b", "target": "image", "label": "opposite", "prior": -2.0},
        {"id": "c", "target": "image", "label": "following", "prior": 3.0},
    ]
    rows = [
        {"id": i, "target": "image", "layer": layer, "attention": 1.0 + layer, "mlp": -1.0 if i == "b" else 0.5}
        for i in "abc"
        for layer in range(4)
    ]
    return rows, baseline


def test_layers_are_split_by_outcome_and_prior():
    curves = {(r["outcome"], r["prior"], r["layer"]): r for r in layer_curves(*layer_rows())}
    assert curves["all", "all", 2]["n"] == 3
    assert curves["failure", "all", 2]["mlp"] == -1.0
    assert curves["success", "against", 3]["attention"] == 4.0
    assert ("failure", "for", 0) not in curves
    sums = {row["outcome"]: row for row in deep_sums(*layer_rows(), n_layers=4)}
    assert sums["all"]["n"] == 2
    assert sums["all"]["attention"] == 7.0
    assert sums["failure"]["mlp"] == -2.0
