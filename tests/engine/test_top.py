"""Log-probabilities of the likeliest next tokens: of any engine that has all logits, from those."""

import pytest
import torch

from tests.conflicts import make_items
from trimtab.engine import AddVector, Capability, Contrast, Read, Row, run
from trimtab.errors import UnsupportedEngineError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.testing import FakeEngine

PROMPTS = [prompt_for(item) for item in make_items("test", 3)]


def test_they_are_the_largest_of_all_log_probabilities(model: Model):
    rows = [Row(PROMPTS[0]), Row(PROMPTS[1], (AddVector(1, torch.ones(model.hidden_size)),))]
    found = run(model, rows, Read(top=5))
    logits = run(model, rows).logits
    assert torch.equal(found.logits, logits)
    assert found.top is not None
    for own, whole in zip(found.top, logits.log_softmax(-1), strict=True):
        assert list(own.values()) == whole.sort(descending=True).values[:5].tolist()
        assert [float(whole[token]) for token in own] == list(own.values())


def test_they_come_alone_or_with_states(model: Model):
    found = run(model, PROMPTS, Read(logits=False, top=2, hidden=(1,)))
    assert found.logits is None
    assert found.hidden[1].shape == (3, model.hidden_size)
    assert [len(own) for own in found.top or ()] == [2, 2, 2]
    assert run(model, PROMPTS).top is None
    assert [len(own) for own in run(model, PROMPTS[:1], Read(top=10**6)).top or ()] == [model.text_config.vocab_size]


def test_an_engine_that_has_neither_is_refused():
    assert run(FakeEngine({Capability.LOGITS}), PROMPTS, Read(logits=False, top=1)).top
    with pytest.raises(UnsupportedEngineError, match="TOP_LOGPROBS"):
        run(FakeEngine(), PROMPTS, Read(logits=False, top=1))


@pytest.mark.parametrize("wrong", [Read(top=-1), Read(top=True), Read(top=1.5), Read(top=1, at="all"), Read(False)])  # type: ignore[arg-type]
def test_what_makes_no_sense_is_refused(model: Model, wrong: Read):
    with pytest.raises(UsageError, match="Read"):
        run(model, PROMPTS, wrong)


def test_a_contrast_has_none(model: Model):
    contrast = Contrast((Row(PROMPTS[0]), Row(PROMPTS[1])), (2.0, -1.0))
    with pytest.raises(UsageError, match="`read` must be left out"):
        run(model, [contrast], Read(top=1))
