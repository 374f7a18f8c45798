"""Logits of first tokens that ``generate`` keeps, held equal to what ``run`` reads."""

from typing import Any

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import AddVector, Contrast, FlattenAttention, Row, generate, run
from trimtab.errors import UnsupportedEngineError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.testing import FakeEngine


def asked(model: Model) -> list[Row | Contrast]:
    """Plain rows, edited ones, and contrasts between them, of unlike lengths."""
    added = AddVector(1, torch.ones(model.hidden_size), strength=0.5)
    flat = FlattenAttention(("all",), ("all",), (0,), 1.0)
    found: list[Row | Contrast] = []
    for prompt in map(prompt_for, held_out_items()):
        contrast = Contrast((Row(prompt), Row(prompt.without("image"))), (2.0, -1.0), 0.1)
        found += [Row(prompt), contrast, Row(prompt, (added,)), Row(prompt.without("text"), (flat,))]
    return found


@pytest.mark.parametrize("batch_size", [None, 2])
def test_what_is_kept_is_what_is_read(model: Model, batch_size: int | None):
    rows = asked(model)
    found = generate(model, rows, max_new_tokens=3, batch_size=batch_size, first_logits=True)
    assert found.tokens == generate(model, rows, max_new_tokens=3).tokens
    assert found.first_logits is not None
    alone = run(model, rows, reuse=False).logits
    torch.testing.assert_close(found.first_logits, alone, atol=1e-4, rtol=1e-4)
    assert found.first_logits.dtype == torch.float32
    told = [tokens[0] if tokens else None for tokens in found.tokens]
    likeliest = [token if token not in model.stop_tokens else None for token in alone.argmax(-1).tolist()]
    assert told == likeliest


def test_they_are_kept_on_demand(model: Model):
    row: Any = asked(model)[0]
    assert generate(model, row, max_new_tokens=1).first_logits is None
    with pytest.raises(UsageError, match="`reuse` of generate must be True where `first_logits` are kept"):
        generate(model, row, reuse=False, first_logits=True)


def test_an_engine_without_logits_is_refused(model: Model):
    engine = FakeEngine(set())
    with pytest.raises(UnsupportedEngineError, match="must have the capability LOGITS"):
        generate(engine, [asked(model)[0]], first_logits=True)
    assert engine.calls == []
