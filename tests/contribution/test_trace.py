"""Contributions along one answer."""

from dataclasses import replace
from statistics import fmean

import pytest

from tests.contribution.items import conflict_items
from tests.contribution.naive import naive_scores
from trimtab.contribution import MCS, trace
from trimtab.engine import encode, generate
from trimtab.errors import DataError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model


def test_each_step_equals_the_naive_way(model: Model):
    item, config = conflict_items(1)[0], MCS(sigmas=(0.2,), draws=1, estimator="sampled")
    found = trace(model, item, config=config, max_new_tokens=3)
    answer = generate(model, [prompt_for(item)], max_new_tokens=3).tokens[0]
    assert found.tokens == tuple(model.tokenizer.decode([t]) for t in answer)
    expected = naive_scores(model, encode(model, prompt_for(item)), item, replace(config, steps=3))
    assert fmean(found.scores("image")) == pytest.approx(expected[0], rel=1e-4)
    assert fmean(found.scores("text")) == pytest.approx(expected[1], rel=1e-4)
    assert list(found.table().columns) == ["item_id", "step", "token", "image", "text", "ratio"]


def test_refuses_an_item_without_image(model: Model):
    with pytest.raises(DataError, match="no image"):
        trace(model, replace(conflict_items(1)[0], image=None))
