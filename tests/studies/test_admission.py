"""Items that one model cannot take: left out of its study alone, and of the same study after a restart."""

from dataclasses import replace

import pytest
from pandas import read_parquet
from tests.conflicts import make_items

from trimtab.errors import UsageError
from trimtab.items import Items, MediaBytes
from trimtab.studies import Plan, read_summary, run_study
from trimtab.testing import tiny_model

SIZES = {"train": 5, "validation": 4, "test": 7}
PLAN = Plan(
    name="bad rows",
    models=("tiny",),
    methods=("none", "mean"),
    train_items=4,
    validation_items=2,
    test_items=5,
    sweep_items=2,
    contribution_items=2,
    control_items=2,
    cost_items=1,
    depths=(0.5,),
    strengths=(1.0,),
    chunk=1,
    max_new_tokens=1,
)


def with_bad_ones(source: str) -> Items:
    """Of each split the first item has a text that no tokenizer reads, the second a picture that is none."""
    split = source.partition(":")[2]
    first, second, *rest = make_items(split, SIZES[split])
    return Items([replace(first, question="\ud800"), replace(second, image=MediaBytes(b"junk")), *rest])


def test_a_study_goes_on_without_them(tmp_path):
    model, plan = tiny_model("llava", layers=2), replace(PLAN, train_items=9, validation_items=9, test_items=9)
    out = run_study(plan, tmp_path / "run", load=lambda _: model, read=with_bad_ones)
    summary = read_summary(out)
    assert [(r["split"], r["id"]) for r in summary["skipped"]] == [
        (s, f"{s}-0") for s in ("train", "validation", "test")
    ]
    assert all(r["n"] <= 5 for r in summary["rows"])
    assert max(r["n"] for r in summary["rows"]) == 5
    made = {r["kind"]: r["n"] for r in summary["controls"]}
    assert made == {"image_only": 2, "text_only": 2, "agreeing_text": 2, "both": 2}
    assert len(read_parquet(out / "items.parquet")["id"].unique()) == 5
    before = (out / "summary.json").read_bytes()
    assert run_study(plan, out, load=lambda _: model, read=with_bad_ones) == out
    assert (out / "summary.json").read_bytes() == before


def test_a_split_of_which_nothing_is_left_is_an_error(tmp_path):
    def bad(source: str) -> Items:
        return Items(replace(item, question="\ud800") for item in make_items(source.partition(":")[2], 2))

    with pytest.raises(UsageError, match="the split 'train' of the study must hold at least one"):
        run_study(PLAN, tmp_path / "run", load=lambda _: tiny_model("llava", layers=2), read=bad)
