"""Contrastive decoding, held equal to one full forward pass a branch and token."""

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import (
    Answers,
    Contrast,
    FlattenAttention,
    Prompt,
    Read,
    Row,
    ScaleHeads,
    SkipLayers,
    encode,
    generate,
    run,
)
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model

TOKENS = 4
EDITS = (ScaleHeads(0, (1,), factor=0.5),)


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


def touched(answers: Answers) -> dict:
    """Return how many rows and positions each edit touched."""
    entries = answers.receipt.entries
    return {key: (own.rows, own.prompt_positions, own.generated_positions) for key, own in entries.items()}


def test_equals_one_full_pass_a_branch_and_token(model: Model):
    found = generate(model, contrasts(), max_new_tokens=TOKENS)
    assert found.tokens == [plainly(model, contrast) for contrast in contrasts()]


def test_alone_equals_in_a_batch(model: Model):
    together = generate(model, contrasts(), max_new_tokens=TOKENS).tokens
    assert together == [generate(model, [c], max_new_tokens=TOKENS).tokens[0] for c in contrasts()]


def test_branches_with_edits_equal_the_plain_reference_of_their_rows(model: Model):
    """One branch, and nothing implausible: the row itself."""
    every, last = tuple(range(model.n_layers)), ("last", "generated")
    kinds = [(), EDITS, (FlattenAttention(("all",), ("all",), every, 1.0),), (SkipLayers(every[-2:], last),)]
    prompts = [prompt_for(item) for item in held_out_items()]
    rows = [Row(prompt, edits) for edits in (*kinds, *kinds) for prompt in prompts]
    found = generate(model, [Contrast((row,), (1.0,), 1e-9) for row in rows], max_new_tokens=TOKENS)
    plain = generate(model, rows, max_new_tokens=TOKENS, reuse=False)
    assert found.tokens == plain.tokens
    assert len(set(map(tuple, found.tokens))) > len(prompts)
    assert touched(found) == touched(plain)


def test_a_prompt_at_many_strengths_is_computed_once_for_each_branch(model: Model):
    alphas = (0.5, 1.0, 2.0)
    swept = [ask for alpha in alphas for ask in contrasts(alpha)[:2]]
    found = generate(model, swept, max_new_tokens=TOKENS)
    alone = [generate(model, [ask], max_new_tokens=TOKENS) for ask in swept]
    assert found.tokens == [own.tokens[0] for own in alone]
    branches = 2 * len(swept)
    assert found.cost.tokens == found.cost.naive_tokens / len(alphas) - branches / len(alphas) + branches


def test_a_weight_of_nothing_is_the_first_branch_alone(model: Model):
    found = generate(model, contrasts(alpha=0.0)[:2], max_new_tokens=TOKENS).tokens
    plain = [prompt_for(item) for item in held_out_items()[:2]]
    assert found == generate(model, plain, max_new_tokens=TOKENS).tokens


def test_implausible_tokens_are_ruled_out(model: Model):
    scores = run(model, contrasts()).logits
    assert scores.isinf().any()
    assert (scores.argmax(-1) == run(model, contrasts()).logits.argmax(-1)).all()


def test_contrasts_and_plain_rows_are_answered_in_the_order_asked(model: Model):
    plain = [Row(prompt_for(item), EDITS) for item in held_out_items()[:2]]
    mixed = [contrasts()[0], plain[0], contrasts()[2], plain[1]]
    found = generate(model, mixed, max_new_tokens=TOKENS)
    alone = [generate(model, [ask], max_new_tokens=TOKENS) for ask in mixed]
    assert found.tokens == [own.tokens[0] for own in alone]
    assert found.cost.rows == 7
    assert found.cost.naive_tokens == sum(own.cost.naive_tokens for own in alone)
    (entry,) = found.receipt.entries.values()
    assert entry.rows == 2
    read = run(model, mixed)
    apart = [run(model, [ask]).logits[0] for ask in mixed]
    assert torch.allclose(read.logits, torch.stack(apart), atol=1e-5)
    assert read.logits.isinf().any(-1).tolist() == [True, False, True, False]
    assert read.cost.rows == 7


def test_a_contrast_alone_needs_no_list(model: Model):
    one, listed = (generate(model, ask, max_new_tokens=2).tokens for ask in (contrasts()[0], contrasts()[:1]))
    assert one == listed


def test_what_a_contrast_cannot_be_asked_is_refused(model: Model):
    with pytest.raises(UsageError, match="`read` must be left out where `rows` holds a Contrast"):
        run(model, contrasts(), Read(hidden=(0,)))
    with pytest.raises(UsageError, match="`reuse` of generate must be True where `rows` holds a Contrast"):
        generate(model, contrasts(), reuse=False)


def test_the_plain_reference_reads_contrasts_too(model: Model):
    fast, plain = (run(model, contrasts(), reuse=reuse).logits for reuse in (True, False))
    assert torch.allclose(fast, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "plausibility"), [((1.0,), 0.1), ((1.0, float("nan")), 0.1), ((1.0, 1.0), 0.0), ((1.0, 1.0), 2.0)]
)
def test_what_cannot_be_contrasted_is_refused(weights: tuple, plausibility: float):
    with pytest.raises(UsageError):
        Contrast((Row(Prompt("Q?")), Row(Prompt("R?"))), weights, plausibility)
