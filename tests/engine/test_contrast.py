"""Contrastive decoding, held equal to one full forward pass a branch and token."""

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import Contrast, Prompt, Row, contrasted_logits, encode, generate, generate_contrasted
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model

TOKENS = 4


def contrasts(alpha: float = 1.0) -> list[Contrast]:
    """Contrasts of two and of three branches, of unlike lengths."""
    first, second, third = (prompt_for(item) for item in held_out_items())
    pairs = [Contrast((Row(p), Row(p.without("image"))), (1 + alpha, -alpha), 0.1) for p in (first, second)]
    three = (Row(third), Row(third.without("text")), Row(third.without("image")))
    return [*pairs, Contrast(three, (1, 1, -1), 0.3)]


def plainly(model: Model, contrast: Contrast) -> list[int]:
    """Feed every branch whole, once a token, through the model's own forward pass."""
    prompts = [encode(model, row.prompt) for row in contrast.rows if isinstance(row.prompt, Prompt)]
    found: list[int] = []
    while len(found) < TOKENS:
        scores = []
        for prompt in prompts:
            ids = torch.cat([prompt.ids, torch.tensor(found, dtype=torch.long)])
            inputs = model.family.native_inputs(model.hf, ids, prompt.media)
            with torch.no_grad():
                scores.append(model.hf(**inputs, use_cache=False).logits[0, -1].log_softmax(-1))  # pyright: ignore
        total = sum(w * s for w, s in zip(contrast.weights, scores, strict=True))
        plausible = scores[0] >= scores[0].max() + torch.tensor(contrast.plausibility).log()
        found.append(int(total.masked_fill(~plausible, -torch.inf).argmax()))  # pyright: ignore
        if found[-1] in model.stop_tokens:
            return found[:-1]
    return found


def test_equals_one_full_pass_a_branch_and_token(model: Model):
    found = generate_contrasted(model, contrasts(), max_new_tokens=TOKENS)
    assert found.tokens == [plainly(model, contrast) for contrast in contrasts()]


def test_alone_equals_in_a_batch(model: Model):
    together = generate_contrasted(model, contrasts(), max_new_tokens=TOKENS).tokens
    assert together == [generate_contrasted(model, [c], max_new_tokens=TOKENS).tokens[0] for c in contrasts()]


def test_a_weight_of_nothing_is_the_first_branch_alone(model: Model):
    found = generate_contrasted(model, contrasts(alpha=0.0)[:2], max_new_tokens=TOKENS).tokens
    plain = [prompt_for(item) for item in held_out_items()[:2]]
    assert found == generate(model, plain, max_new_tokens=TOKENS).tokens


def test_implausible_tokens_are_ruled_out(model: Model):
    scores = contrasted_logits(model, contrasts())
    assert scores.isinf().any()
    assert (scores.argmax(-1) == contrasted_logits(model, contrasts()).argmax(-1)).all()


@pytest.mark.parametrize(
    ("weights", "plausibility"), [((1.0,), 0.1), ((1.0, float("nan")), 0.1), ((1.0, 1.0), 0.0), ((1.0, 1.0), 2.0)]
)
def test_what_cannot_be_contrasted_is_refused(weights: tuple, plausibility: float):
    with pytest.raises(UsageError):
        Contrast((Row(Prompt("Q?")), Row(Prompt("R?"))), weights, plausibility)
