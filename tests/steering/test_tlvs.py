"""TLVS: how much tokens depend on what is shown, the vector of those that do, and the gate."""

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from trimtab.divergences import kl
from trimtab.engine import AddGatedVector, Read, Row, encode, generate, run
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import TLVS, TrainingSet
from trimtab.steering.tlvs import GateChooser
from trimtab.steering.tlvs.sensitivity import token_sensitivity


def test_sensitivity_is_the_divergence_of_each_token_with_and_without_the_modality(model: Model, train: TrainingSet):
    found = token_sensitivity(train, "image", 3)
    nats, states, differences = [], [], []
    for item in train.items:
        prompt = prompt_for(item)
        (tokens,) = generate(model, [prompt], max_new_tokens=3, reuse=False).tokens
        for n in range(max(1, len(tokens))):
            both = [encode(model, p).followed_by(tokens[:n]) for p in (prompt, prompt.without("image"))]
            read = run(model, both, Read(hidden=(1,)), reuse=False)
            shown, bare = read.logits.log_softmax(-1)
            nats.append(float(kl(shown, bare)))
            states.append(read.hidden[1][0])
            differences.append(read.hidden[1][0] - read.hidden[1][1])
    assert found.nats.tolist() == pytest.approx(nats, rel=1e-3, abs=1e-6)
    assert torch.allclose(found.states[1], torch.stack(states), atol=1e-4)
    assert torch.allclose(found.differences[1], torch.stack(differences), atol=1e-4)


def test_the_vector_is_the_weighted_mean_of_the_most_sensitive_tokens(model: Model, train: TrainingSet):
    vector = quick("tlvs", layer=1, steps=3, share=0.5).fit(model, train).direction
    found = token_sensitivity(train, "image", 3)
    order = found.nats.argsort(descending=True)[: round(0.5 * len(found.nats))]
    weights = found.nats[order] / found.nats[order].sum()
    assert torch.allclose(vector, (weights[:, None] * found.differences[1][order]).sum(0), atol=1e-5)  # pyright: ignore


def test_tokens_are_measured_once_for_all_layers(model: Model, train: TrainingSet, monkeypatch: pytest.MonkeyPatch):
    shared = TrainingSet(model, train.items, [0, 1])
    first = quick("tlvs", layer=0).fit(model, shared)
    monkeypatch.setattr("trimtab.steering.tlvs.method.token_sensitivity", lambda *_: pytest.fail("measured again"))
    second = quick("tlvs", layer=1).fit(model, shared)
    assert first.direction is not None
    assert second.direction is not None
    assert not torch.equal(first.direction, second.direction)  # pyright: ignore
    assert not quick("tlvs").is_seeded


def test_the_gate_opens_with_the_sensitivity(model: Model, train: TrainingSet):
    artifact = quick("tlvs", layer=1).fit(model, train)
    assert isinstance(artifact.chooser, GateChooser)
    found = token_sensitivity(train, "image", 4)
    gates = (found.states[1] @ artifact.chooser.weights + artifact.chooser.offset).clamp(0, 1)
    about = artifact.metrics["train"]
    assert about["mean_gate"] == pytest.approx(float(gates.mean()), abs=1e-4)
    assert about["gate_error"] < float(found.nats.std()) / float(found.nats.quantile(0.9))
    (row,) = artifact.asks(model, [prompt_for(held_out_items()[0])], 1.5)
    assert isinstance(row, Row)
    (edit,) = row.edits
    assert isinstance(edit, AddGatedVector)
    assert (edit.layer, edit.strength, edit.positions) == (1, 1.5, "from_last_prompt")


def test_items_that_do_not_show_the_target_are_refused(model: Model):
    bare = [item.replace(id=f"bare-{item.id}", image=None) for item in held_out_items()]
    with pytest.raises(UsageError, match="there is no image"):
        TLVS(layer=1).fit(model, bare)
