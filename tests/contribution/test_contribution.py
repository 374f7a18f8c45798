"""The public call: what it refuses, what it skips, and its tables."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab.contribution import MCS, Contribution, Contributions, Shapley, measure, trace
from trimtab.contribution.scores import Scores
from trimtab.engine import AddVector, applied, encode
from trimtab.errors import DataError, UsageError
from trimtab.items import MediaBytes
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.progress import Within
from trimtab.testing import tiny_model


def test_unreadable_and_missing_pictures_are_skipped_and_counted(model: Model):
    items = conflict_items(4)
    items[1] = replace(items[1], image=MediaBytes(b"no picture"))
    items[2] = replace(items[2], image=None)
    done = []
    found = measure(model, items, progress=Within(done.append))
    assert [c.item_id for c in found] == ["item-0", "item-3"]
    assert [s.row for s in found.skipped] == [2, 3]
    assert "corrupt" in found.skipped[0].reason
    assert "no image" in found.skipped[1].reason
    assert sum(done) == 4


@pytest.mark.parametrize("config", [Shapley(), MCS(), MCS(estimator="sampled", draws=1)])
def test_an_item_whose_text_makes_nan_costs_itself_alone(config: MCS):
    model = tiny_model()
    items = conflict_items(3)
    items[1] = replace(items[1], context="zebra")
    own, others = (set(encode(model, prompt_for(i)).ids.tolist()) for i in (items[1], items[0]))
    with torch.no_grad():
        model.embedding.weight[sorted(own - others)[0]] = math.nan
    found = measure(model, items, method=config)
    assert [s.row for s in found.skipped] == [2]
    assert "not finite" in found.skipped[0].reason
    assert all(math.isfinite(c.ratio) for c in found)


def test_all_pictures_unreadable(model: Model):
    found = measure(model, [replace(conflict_items(1)[0], image=None)])
    assert not found
    assert len(found.skipped) == 1
    assert found.table().empty


def test_an_item_without_context_counts_its_question_as_text(model: Model):
    bare = replace(conflict_items(1)[0], context="")
    assert measure(model, [bare], method=MCS())[0].text > 0
    [skipped] = measure(model, [bare]).skipped
    assert "it has no context" in skipped.reason
    assert "method mcs sets it against the question" in skipped.reason


def test_answers_that_begin_alike_are_skipped_where_they_are_chosen_among(model: Model):
    items = conflict_items(2)
    items[1] = replace(items[1], answer_image="two cats", answer_text="two dogs")
    config = MCS(vocabulary="answers", estimator="sampled")
    found = measure(model, items, method=config)
    assert [c.item_id for c in found] == ["item-0"]
    assert "different tokens" in found.skipped[0].reason
    assert len(measure(model, items)) == 2
    with pytest.raises(DataError, match="different tokens"):
        trace(model, items[1], config=config)


def test_refuses_an_edited_model(model: Model):
    vector = model.embedding.weight[0].detach()
    with pytest.raises(UsageError, match="no edits applied"), applied(model, [AddVector(0, vector)]):
        measure(model, conflict_items(1))


def test_refuses_no_items(model: Model):
    with pytest.raises(UsageError, match="at least one item"):
        measure(model, [])


@pytest.mark.parametrize(
    "options",
    [
        {"sigmas": ()},
        {"sigmas": (0.1, -1)},
        {"sigmas": (float("nan"),)},
        {"draws": 0},
        {"divergence": "cosine"},
    ],
)
def test_refuses_a_bad_config(options: dict):
    with pytest.raises(UsageError, match=next(iter(options))):
        MCS(**options)


def test_a_list_of_sigmas_is_a_tuple():
    assert MCS(sigmas=[1, 2]) == MCS(sigmas=(1.0, 2.0))  # pyright: ignore


def contribution(item_id: str, task: str, **scores: float) -> Contribution:
    return Contribution(item_id, task, *Scores.of(scores))  # pyright: ignore[reportArgumentType]


def test_tables_and_parquet(tmp_path):
    scores = Contributions(
        [
            contribution("a", "color", image=1.0, text=3.0),
            contribution("b", "color", image=1.0, text=1.0),
            contribution("c", "counting", image=0.0, text=2.0),
            contribution("d", "counting", image=0.0, text=0.0),
        ]
    )
    assert scores.ratio_by_task() == {"color": 0.375, "counting": 0.0}
    table = scores.table()
    assert list(table.columns) == ["item_id", "task", "image", "text", "ratio"]
    table.to_parquet(tmp_path / "scores.parquet")
    rows = pd.read_parquet(tmp_path / "scores.parquet").to_dict("records")
    again = Contributions.from_rows({str(k): v for k, v in row.items()} for row in rows)
    assert again[:3] == scores[:3]
    assert repr(again[3]) == repr(scores[3])


def test_three_modalities_have_a_share_each_and_no_ratio(tmp_path):
    found = Contributions(
        [
            contribution("a", "color", image=1.0, text=3.0, audio=4.0),
            contribution("b", "color", image=1.0, text=1.0),
            contribution("c", "counting", text=0.0, audio=0.0),
        ]
    )
    assert found[0].modalities == ("image", "text", "audio")
    assert (found[0].share("image"), found[0].share("text"), found[0].share("audio")) == (0.125, 0.375, 0.5)
    with pytest.raises(UsageError, match=r"`ratio`.*image, text, audio.*share\(modality\)"):
        _ = found[0].ratio
    with pytest.raises(UsageError, match="item c was measured for text, audio; got 'image'"):
        _ = found[2].image
    assert found.share_by_task("text")["color"] == (0.375 + 0.5) / 2
    assert math.isnan(found.share_by_task("audio")["counting"])
    table = found.table()
    scores, shares = ["image", "text", "audio"], ["share_image", "share_text", "share_audio"]
    assert list(table.columns) == ["item_id", "task", *scores, "ratio", *shares]
    table.to_parquet(tmp_path / "scores.parquet")
    again = Contributions.from_rows(pd.read_parquet(tmp_path / "scores.parquet").to_dict("records"))  # pyright: ignore
    assert again[:2] == found[:2]
    assert repr(again[2]) == repr(found[2])
    assert Contributions.from_rows(found.rows())[:2] == found[:2]


def test_synergy_is_a_column_where_it_is_known(tmp_path):
    known = Contribution("a", "color", *Scores.of({"image": 1.0, "text": 3.0}, -0.5))
    unknown = contribution("b", "color", image=1.0, text=1.0)
    table = Contributions([known, unknown]).table()
    assert list(table.columns) == ["item_id", "task", "image", "text", "ratio", "synergy"]
    table.to_parquet(tmp_path / "scores.parquet")
    again = Contributions.from_rows(pd.read_parquet(tmp_path / "scores.parquet").to_dict("records"))  # pyright: ignore
    assert again == [known, unknown]


def test_the_second_of_two_shares_is_what_the_first_leaves():
    found = contribution("a", "color", image=1.0, text=48.0)
    assert found.share("image") + found.share("text") == 1
    assert found.share("text") == 1 - found.ratio


def test_modalities_asked_for_are_needed(model: Model):
    items = conflict_items(2)
    assert measure(model, items, modalities=("text", "image")) == measure(model, items)
    found = measure(model, items, modalities=("image", "text", "audio"))
    assert not found
    assert "it has no audio, which is among the modalities asked for" in found.skipped[0].reason
    for few in ([], ["image"], ["image", "smell"]):
        with pytest.raises(UsageError, match="`modalities` of measure must be two or more of image, text"):
            measure(model, items, modalities=few)  # pyright: ignore[reportArgumentType]
