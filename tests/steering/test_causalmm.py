"""CausalMM: the rows it contrasts, their weights, and what it refuses."""

import pytest
import torch

from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.engine import Contrast, FlattenAttention, Prompt, Row, run
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import CausalMM, load_steering

GAMMA = 0.5


def prompt() -> Prompt:
    return prompt_for(held_out_items()[0])


def asked(model: Model, **options) -> Contrast:
    (ask,) = CausalMM(**options).fit(model).asks(model, [prompt()], GAMMA)
    assert isinstance(ask, Contrast)
    return ask


def is_vision(row: Row) -> bool:
    return isinstance(row.prompt, Prompt) and row.prompt.image_counterfactual == "shuffle" and not row.edits


def is_language(row: Row) -> bool:
    return isinstance(row.prompt, Prompt) and row.prompt.image_counterfactual is None and bool(row.edits)


def test_both_halves_are_the_papers_and_each_has_a_row_and_a_weight(model: Model):
    both = asked(model)
    assert both.weights == (1 + 2 * GAMMA, -GAMMA, -GAMMA)
    assert both.rows[0].edits == ()
    assert is_vision(both.rows[1])
    assert is_language(both.rows[2])
    vision, language = asked(model, halves="vision"), asked(model, halves="language")
    assert vision.weights == language.weights == (1 + GAMMA, -GAMMA)
    assert is_vision(vision.rows[1])
    assert is_language(language.rows[1])
    assert len(vision.rows) == len(language.rows) == 2


def test_scores_are_the_weighted_sum_of_the_three_passes(model: Model):
    flat = FlattenAttention(("all",), ("all",), tuple(range(model.n_layers)), 1.0)
    rows = [Row(prompt()), Row(prompt().with_image_counterfactual("shuffle")), Row(prompt(), (flat,))]
    plain, vision, language = run(model, rows, reuse=False).logits.log_softmax(-1)
    scores = (1 + 2 * GAMMA) * plain - GAMMA * vision - GAMMA * language
    scores[plain < plain.max() + torch.tensor(0.1).log()] = -torch.inf
    got = first_scores(model, CausalMM().fit(model).asks(model, [prompt()], GAMMA))[0]
    torch.testing.assert_close(got, scores.log_softmax(-1), atol=1e-4, rtol=0)


def test_the_vision_half_of_a_prompt_without_pictures_changes_nothing(model: Model):
    bare = prompt().without("image")
    (ask,) = CausalMM(halves="vision").fit(model).asks(model, [bare], 2.0)
    plain = first_scores(model, [Row(bare)])
    got = first_scores(model, [ask])
    assert torch.equal(got.argmax(-1), plain.argmax(-1))
    kept = got.isfinite()
    torch.testing.assert_close(got[kept], plain.masked_fill(~kept, -torch.inf).log_softmax(-1)[kept], atol=1e-5, rtol=0)


def test_a_saved_artifact_keeps_its_halves(model: Model, tmp_path):
    artifact = CausalMM(halves="vision", image_counterfactual="reversed").fit(model)
    again = load_steering(artifact.save(tmp_path / "causalmm"), model)
    assert again.contrast == artifact.contrast
    assert again.options == {"plausibility": 0.1, "halves": "vision", "image_counterfactual": "reversed"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"halves": "left"}, "`halves`.*'left'"),
        ({"image_counterfactual": "flat"}, "image_counterfactual.*'flat'"),
    ],
)
def test_what_it_does_not_know_is_refused(options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        CausalMM(**options)
