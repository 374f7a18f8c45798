"""Baselines behind a gate: what is asked where it fires, and where it does not."""

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.engine import AddVector, Row, generate
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import gate, load_steering


@pytest.fixture
def prompts():
    return [prompt_for(item) for item in held_out_items()]


def fires_on_the_first(wanted, other, min_confidence):
    return torch.arange(len(wanted)) == 0


def test_gated_drop_asks_the_target_alone_where_the_gate_fires(model: Model, prompts, monkeypatch):
    monkeypatch.setattr(gate, "sees_conflict", fires_on_the_first)
    first, second = quick("gated_drop", target="text").fit(model, ()).asks(model, prompts[:2])
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert first.prompt.modalities == ("text",)  # pyright: ignore[reportAttributeAccessIssue]
    assert second.prompt is prompts[1]


def test_a_gate_that_never_fires_leaves_every_prompt(model: Model, prompts):
    asks = quick("gated_drop", min_confidence=1.0).fit(model, ()).asks(model, prompts)
    assert [ask.prompt for ask in asks if isinstance(ask, Row)] == prompts
    assert not any(ask.edits for ask in quick("first_token", min_confidence=1.0).fit(model, ()).asks(model, prompts))  # pyright: ignore


def test_no_gate_fires_on_prompts_of_one_modality(model: Model):
    item = held_out_items()[0]
    alone = [prompt_for(item, without=("text",)), prompt_for(item, without=("image",))]
    for method in (quick("gated_drop"), quick("first_token"), quick("first_token", gated=False)):
        asks = method.fit(model, ()).asks(model, alone)
        assert [(ask.prompt, ask.edits) for ask in asks if isinstance(ask, Row)] == [(p, ()) for p in alone]


@pytest.mark.parametrize("gated", [True, False])
def test_first_token_is_the_targets_own_and_the_rest_the_full_prompts(model: Model, prompts, gated: bool):
    artifact = quick("first_token", target="text", gated=gated).fit(model, ())
    asks = artifact.asks(model, prompts)
    own = [Row(p.without("image")) for p in prompts]
    assert torch.allclose(first_scores(model, asks), first_scores(model, own), atol=1e-4)
    begun, wanted = generate(model, asks, max_new_tokens=4), generate(model, own, max_new_tokens=1)
    assert [t[:1] for t in begun.tokens] == [t[:1] for t in wanted.tokens]
    assert all(isinstance(edit, AddVector) and edit.positions == "last_prompt" for a in asks for edit in a.edits)  # pyright: ignore


def test_what_is_not_gated_is_not_asked_of_the_gate(model: Model, prompts, monkeypatch, tmp_path):
    monkeypatch.setattr(gate, "sees_conflict", lambda *_: pytest.fail("the gate was asked"))
    artifact = quick("first_token", gated=False).fit(model, ())
    again = load_steering(artifact.save(tmp_path / "first"), model)
    assert torch.equal(*(first_scores(model, a.asks(model, prompts)) for a in (artifact, again)))
