"""VAR finds sinks by their massive activations, and refuses a model without any."""

import pytest
import torch

from tests.steering.items import held_out_items, train_items
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import VAR
from trimtab.steering.var.method import massive


def test_sinks_share_the_first_tokens_massive_coordinate():
    states = torch.randn(6, 256)
    states[0, 3] = states[4, 3] = 200.0
    states[2, 9] = 200.0  # massive, but not where the first token is
    assert massive(states, 10.0) == (0, 4)
    assert massive(states[1:], 10.0) == ()


def test_a_model_without_sinks_is_refused(model: Model):
    with pytest.raises(UsageError, match="no token is a sink"):
        VAR(threshold=1000.0).fit(model, train_items())


def test_only_layers_with_sinks_are_changed_and_never_the_first_or_last(model: Model):
    artifact = VAR(threshold=16.0).fit(model, train_items())
    asked = artifact.asks(model, [prompt_for(item) for item in held_out_items()])
    layers = {layer for row in asked for edit in row.edits for layer in edit.layers}  # pyright: ignore
    assert layers
    assert layers <= set(range(2, model.n_layers - 1))
