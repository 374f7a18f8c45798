"""Learn-to-Steer's own contrast: states under forced answers."""

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.engine import Read, encode, generate, run
from trimtab.errors import UsageError
from trimtab.items.prompts import answer_ids, prompt_for
from trimtab.models import Model
from trimtab.steering import TrainingSet, make_method
from trimtab.steering.completions import collect_completions


def test_forced_states_are_the_mean_over_the_forced_tokens(model: Model):
    items = held_out_items()
    found = collect_completions(model, items, [1, 3], ("image", "text"))
    for place, item in enumerate(items):
        prompt = encode(model, prompt_for(item))
        for modality in ("image", "text"):
            ids = answer_ids(model, prompt, item.answer_of(modality))
            whole = prompt.followed_by(ids)
            states = run(model, [whole], Read(logits=False, hidden=(1, 3), at="all"), reuse=False).hidden
            for layer in (1, 3):
                expected = states[layer][0][-len(ids) :].mean(0)
                assert torch.allclose(found[modality][layer][place], expected, atol=1e-4)


def test_a_prompt_followed_by_its_own_answer_goes_on_as_generation_does(model: Model):
    prompts = [encode(model, prompt_for(item)) for item in held_out_items()]
    answers = generate(model, prompts, max_new_tokens=4).tokens
    for prompt, tokens in zip(prompts, answers, strict=True):
        if len(tokens) == 4:
            begun = generate(model, [prompt.followed_by(tokens[:2])], max_new_tokens=2, reuse=False).tokens[0]
            assert begun == tokens[2:]
    assert prompts[0].followed_by(()) is prompts[0]


def test_vectors_of_completions_are_the_targets_state_less_the_others(model: Model, train: TrainingSet):
    image, text = (train.vectors(m, 1, "completion") for m in ("image", "text"))
    assert torch.equal(image, -text)
    assert torch.equal(image, train.completed["image"][1] - train.completed["text"][1])
    assert torch.equal(train.vectors("image", 1, "instruction"), train.states.steering_vectors("image", 1))
    part = train.part(items=2)
    assert torch.equal(part.vectors("image", 1, "completion"), image[:2])


def test_l2s_learns_from_either_contrast(model: Model, train: TrainingSet):
    default, forced = (quick("l2s", layer=1, **o).fit(model, train) for o in ({}, {"contrast": "completion"}))
    assert forced.options["contrast"] == "completion"
    mean = train.vectors("image", 1, "completion")
    assert not torch.equal(default.direction.b_out, forced.direction.b_out)  # pyright: ignore
    assert forced.direction.b_out.norm() < 2 * mean.norm(dim=-1).max()  # pyright: ignore
    prompts = [prompt_for(item) for item in held_out_items()]
    scores = [first_scores(model, a.asks(model, prompts, 2.0)) for a in (default, forced)]
    assert not torch.equal(*scores)


def test_items_without_an_answer_to_force_are_refused(model: Model):
    item = held_out_items()[0]
    lacking = item.replace(id="lacking", relevant="image", answer_text="")
    with pytest.raises(UsageError, match="answer_text"):
        make_method("l2s", {"contrast": "completion", "layer": 1}).fit(model, [item, lacking])
