"""The batched scores against the plain reference, for every option."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.contribution.items import conflict_items, image
from tests.contribution.naive import OPTIONS, naive_scores
from trimtab.contribution import MCS, mcs, measure
from trimtab.contribution.method import Case
from trimtab.engine import Prompt, encode
from trimtab.engine.local.session import Session
from trimtab.engine.local.whitebox import attention
from trimtab.items.prompts import prompt_for
from trimtab.modalities import PAIR
from trimtab.models import Model
from trimtab.testing import tiny_model

SAMPLED: dict[str, Any] = {"divergence": "ce", "estimator": "sampled"}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: ",".join(f"{k}={v}" for k, v in o.items()) or "default")
def test_equals_one_perturbation_at_a_time(model: Model, options: dict):
    items = conflict_items(2)
    config = MCS(**SAMPLED | {"sigmas": (0.1, 0.3), "draws": 2, "seed": 3} | options)
    found = measure(model, items, method=config)
    assert [c.item_id for c in found] == [i.id for i in items]
    for item, c in zip(items, found, strict=True):
        expected = naive_scores(model, encode(model, prompt_for(item)), item, config)
        assert (c.image, c.text, c.ratio) == pytest.approx(expected, rel=1e-4)
        assert 0 < c.ratio < 1


def test_paper_preset(model: Model):
    item, config = conflict_items(1)[0], MCS.paper(draws=1)
    expected = naive_scores(model, encode(model, prompt_for(item)), item, config)
    # sigma 0.01 of float32 logits: see MCS on rounding
    assert measure(model, [item], method=config)[0].ratio == pytest.approx(expected[2], rel=1e-3)


def test_two_pictures_under_padding(model: Model):
    pictures = tuple(image(s).open() for s in (1, 2))
    prompts = [
        Prompt("What is the color?", pictures, "a dog sleeps on the red sofa"),
        Prompt("one two three?", pictures[:1], "two cats play"),
    ]
    items, config = conflict_items(2), MCS(**SAMPLED, sigmas=(0.2,), draws=1)
    cases = [Case(i, p, encode(model, p), PAIR) for i, p in zip(items, prompts, strict=True)]
    assert len(cases[0].encoded) != len(cases[1].encoded)
    for item, case, found in zip(items, cases, mcs.score_cases(model, cases, config), strict=True):
        scores = (*found.values.values(), found.shares["image"])
        assert scores == pytest.approx(naive_scores(model, case.encoded, item, config), rel=1e-4)


@pytest.mark.parametrize("estimator", ["sampled", "limit"])
def test_a_batch_equals_one_item_alone_and_small_chunks(model: Model, monkeypatch: pytest.MonkeyPatch, estimator: str):
    items, config = conflict_items(4), MCS(estimator=estimator, draws=3)  # pyright: ignore
    together = measure(model, items, method=config)
    alone = [measure(model, [item], method=config)[0] for item in items]
    monkeypatch.setattr(mcs, "items_that_fit", lambda *_: 3)
    monkeypatch.setattr("trimtab.contribution.noise.rows_within", lambda *_: 2)
    monkeypatch.setattr("trimtab.contribution.noise._LAST", {})
    in_chunks = measure(model, items, method=config)
    for a, b, c in zip(together, alone, in_chunks, strict=True):
        assert (b.image, b.text) == pytest.approx((a.image, a.text), rel=1e-4)
        assert (c.image, c.text) == pytest.approx((a.image, a.text), rel=1e-4)


def test_goes_on_with_smaller_batches_when_memory_runs_out(model: Model, monkeypatch: pytest.MonkeyPatch):
    items = conflict_items(4)
    expected = measure(model, items, method=MCS())
    score, sizes = mcs._score_batch, []

    def scarce(*args):
        sizes.append(len(args[1]))
        if len(args[1]) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return score(*args)

    monkeypatch.setattr(mcs, "_score_batch", scarce)
    monkeypatch.setattr(Session.of(model), "batch_size", None)
    found = measure(model, items, method=MCS())
    assert sizes == [4, 4, 2, 2]  # remembered pictures are given up first, then half the batch
    assert [c.ratio for c in found] == pytest.approx([c.ratio for c in expected], rel=1e-4)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_any_attention_implementation(model: Model, implementation: str):
    items = conflict_items(2)
    expected = measure(model, items, method=MCS())
    with attention(model, implementation):
        found = measure(model, items, method=MCS())
        assert model.text_config._attn_implementation == implementation
    assert [c.ratio for c in found] == pytest.approx([c.ratio for c in expected], rel=1e-4)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_bfloat16_keeps_entries_noise_and_loss_in_float32(family: str):
    low, exact = (tiny_model(family, layers=2, check=False) for _ in range(2))
    low.hf.to(torch.bfloat16)
    config = MCS(**SAMPLED, sigmas=(0.3,), draws=2)
    for site in ("cache", "embeddings"):
        a, b = (measure(m, conflict_items(1), method=replace(config, site=site))[0] for m in (low, exact))
        assert a.ratio == pytest.approx(b.ratio, abs=0.1)
