"""The batched scores against the plain reference."""

import pytest
import torch

from tests.contribution.items import conflict_items, image
from tests.contribution.naive import naive_score
from trimtab.contribution import DIVERGENCES, ContributionConfig, Divergence, contribution
from trimtab.contribution.perturb import Perturbation, prompt_batch, scores
from trimtab.data.prompts import MODALITIES, prompt_for
from trimtab.engine import Prompt, encode
from trimtab.models import Model
from trimtab.testing import tiny_model


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_equals_one_perturbation_at_a_time(model: Model, divergence: Divergence):
    items = conflict_items()
    config = ContributionConfig(sigmas=(0.1, 0.3), draws=2, seed=3, divergence=divergence)
    found = contribution(model, items, config=config)
    assert [c.item_id for c in found] == [i.id for i in items]
    for item, c in zip(items, found, strict=True):
        prompt = encode(model, prompt_for(item))
        for modality in MODALITIES:
            expected = naive_score(model, prompt, item.id, modality, config)
            assert getattr(c, modality) == pytest.approx(expected, rel=1e-4)
        assert c.ratio == c.image / (c.image + c.text)
        assert 0 < c.ratio < 1


def test_two_pictures_under_padding(model: Model):
    pictures = tuple(image(s).open() for s in (1, 2))
    two = encode(model, Prompt("What is the color?", pictures, "a dog sleeps on the red sofa"))
    one = encode(model, Prompt("one two three?", pictures[:1], "two cats play"))
    batch = prompt_batch(model, [one, two])
    assert not batch.prefix.mask.all()
    config = ContributionConfig(sigmas=(0.2,), draws=1)
    for row, prompt in enumerate((one, two)):
        for modality in MODALITIES:
            wanted = Perturbation(row, modality, 0.2, (0, "x", modality, 0.2, 0))
            expected = naive_score(model, prompt, "x", modality, config)
            assert scores(model, batch, [wanted], "ce")[0] == pytest.approx(expected, rel=1e-4)


def test_a_batch_equals_one_item_alone_and_chunks_of_one_row(model: Model, monkeypatch: pytest.MonkeyPatch):
    items = conflict_items(5)
    together = contribution(model, items)
    alone = [contribution(model, [item])[0] for item in items]
    monkeypatch.setattr(model, "batch_size", 1)
    by_row = contribution(model, items)
    for a, b, c in zip(together, alone, by_row, strict=True):
        assert (b.image, b.text) == pytest.approx((a.image, a.text), rel=1e-4)
        assert (c.image, c.text) == pytest.approx((a.image, a.text), rel=1e-4)


def test_bfloat16_keeps_the_segment_in_float32():
    low, exact = (tiny_model("llava", layers=2, check=False) for _ in range(2))
    low.hf.to(torch.bfloat16)
    config = ContributionConfig(sigmas=(0.3,), draws=2)
    a, b = (contribution(m, conflict_items(1), config=config)[0] for m in (low, exact))
    assert a.ratio == pytest.approx(b.ratio, abs=0.1)
