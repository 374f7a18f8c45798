"""Costs say how many passes of the decoder were really made."""

import pytest
import torch

from tests.engine.prompts import varied_prompts
from trimtab.engine import (
    AddVector,
    Contrast,
    Prompt,
    Read,
    Row,
    ScaleHeads,
    encode,
    generate,
    run,
)
from trimtab.engine.local.session import Session
from trimtab.models import Model


@pytest.fixture
def calls(model: Model):
    """Count calls of the decoder from outside."""
    made: list[int] = []
    handle = model.decoder.register_forward_pre_hook(lambda *_args: made.append(1))
    yield made
    handle.remove()
    Session.of(model).batch_size = None


@pytest.mark.parametrize("reuse", [True, False])
def test_run_and_generate(model: Model, calls, reuse):
    prompts = [p for p in varied_prompts() for _ in range(2)]
    edited = [Row(p, (AddVector(2, torch.ones(model.hidden_size)),)) for p in prompts]
    found = run(model, [*prompts, *edited], reuse=reuse).cost
    assert found.passes == len(calls) > 1
    calls.clear()
    early = run(model, prompts, Read(logits=False, hidden=(1,)), reuse=reuse, batch_size=3).cost
    assert early.passes == len(calls)
    calls.clear()
    answers = generate(model, edited[:5], max_new_tokens=4, reuse=reuse).cost
    assert answers.passes == len(calls) >= 4


def test_a_sweep_that_begins_late(model: Model, calls):
    prompt = encode(model, Prompt("What is it?", (), "a dog sleeps on the sofa"))
    heads = [Row(prompt, (ScaleHeads(layer, (0,), ("last",)),)) for layer in range(model.n_layers)]
    cost = run(model, heads).cost
    assert cost.passes == len(calls) >= 3  # rows that begin at near layers begin together


def test_contrasts(model: Model, calls):
    rows = [Row(p) for p in varied_prompts()[:4]]
    contrasts = [Contrast((rows[0], rows[1]), (1.5, -0.5)), Contrast((rows[2], rows[3]), (1.5, -0.5))]
    cost = generate(model, contrasts, max_new_tokens=3).cost
    assert cost.passes == len(calls)
    assert cost.rows == 4


def test_batches_that_did_not_fit(model: Model, calls, monkeypatch: pytest.MonkeyPatch):
    forward = model.layers[1].forward

    def small(hidden_states, *args, **kwargs):
        if len(hidden_states) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(hidden_states, *args, **kwargs)

    monkeypatch.setattr(model.layers[1], "forward", small)
    cost = run(model, varied_prompts()).cost
    assert cost.passes == len(calls) > 4
