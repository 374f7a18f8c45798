"""Merged keys and values: the same as merging them, done by scores alone."""

import math

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import Encoded, MergeKeys, Places, Prompt, Row, encode, generate, run
from trimtab.engine.local.kernels.merge_keys import MergeKeysKernel, nearest_kept
from trimtab.engine.local.place import Place
from trimtab.engine.receipt import Receipt
from trimtab.errors import NothingEditedError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model

HEADS, WIDTH, KEPT = 4, 8, 0.4


def edit(source: Places = ("image",), strength: float = 1.0, kept: float = KEPT) -> MergeKeys:
    return MergeKeys(source, ("last", "generated"), (0, 1, 2, 3), strength, kept)


def rows(**changed) -> list[Row]:
    return [Row(prompt_for(item), (edit(**changed),)) for item in held_out_items()]


def merged_by_hand(
    prompt: Encoded, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, last: int
) -> torch.Tensor:
    """What query ``last`` gets of a cache whose keys and values are really merged, ``(heads, width)``."""
    causal = torch.full((last + 1, last + 1), -math.inf).triu(1)
    attention = (query[:, : last + 1] @ key[:, : last + 1].mT + causal).softmax(-1)
    image = prompt.spans["image"]
    looked = attention[..., image].sum(-1).mean(0)
    after = list(range(int(image[-1]) + 1, last))
    kept = sorted(sorted(after, key=lambda t: (-looked[t], t))[: math.floor(KEPT * len(after))])
    groups = {t: [t] for t in [*range(after[0]), *kept, last]}
    for token in after:
        if token not in kept:
            groups[min(kept, key=lambda t: (abs(t - token), t))].append(token)
    keys = torch.stack([key[:, own].mean(1) for own in groups.values()], dim=1)
    values = torch.stack([value[:, own].mean(1) for own in groups.values()], dim=1)
    return ((query[:, last, None] @ keys.mT).softmax(-1) @ values)[:, 0]


def test_it_is_what_merged_keys_and_values_give_also_for_generated_tokens(model: Model):
    prompt = encode(model, prompt_for(held_out_items()[0]))
    length = len(prompt)
    query, key, value = torch.randn(3, HEADS, length + 2, WIDTH, generator=torch.Generator().manual_seed(0)).double()
    kernel = MergeKeysKernel(model, [0], [edit()], [prompt], Receipt().entry("merge", 0))
    index = torch.arange(length + 2)[None]
    for start, end in ((0, length), (length, length + 1), (length + 1, length + 2)):  # the prompt, then two tokens
        scores = (query[:, start:end] @ key[:, :end].mT)[None]
        edited = kernel.apply(scores, Place(index[:, start:end], torch.tensor([length]), index[:, :end]))
        causal = torch.full((end, end), -math.inf).triu(1)[start:]
        got = ((edited[0] + causal).softmax(-1) @ value[:, :end])[:, -1]
        torch.testing.assert_close(got, merged_by_hand(prompt, query, key, value, end - 1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(edited[0, :, :-1], scores[0, :, :-1])  # only the last token's scores


def test_the_nearest_kept_token_is_the_earlier_of_two():
    kept = torch.tensor([[0, 0, 1, 0, 1, 0, 0]]).bool()
    merged = torch.tensor([[0, 1, 1, 1, 1, 1, 1]]).bool()
    assert nearest_kept(kept, merged).tolist() == [[0, 2, 2, 2, 4, 4, 4]]
    assert nearest_kept(torch.zeros_like(kept), merged).tolist() == [list(range(7))]


def test_cached_equals_uncached_and_a_batch_equals_single_rows(model: Model):
    asked = [*rows(), *rows(kept=0.8), *rows(source=("context",))]
    fast, slow = run(model, asked).logits, run(model, asked, reuse=False).logits
    assert (fast - slow).abs().max() < 1e-5 * slow.abs().max()
    single = torch.cat([run(model, [row]).logits for row in asked])
    assert (fast - single).abs().max() < 1e-5 * slow.abs().max()
    cached, plain = (generate(model, asked, max_new_tokens=4, reuse=reuse).tokens for reuse in (True, False))
    assert cached == plain


def test_rows_with_it_may_stop_before_others(model: Model, monkeypatch: pytest.MonkeyPatch):
    short, long = rows()[0], Row(rows()[1].prompt)
    (first,) = generate(model, [short], max_new_tokens=1).tokens
    monkeypatch.setattr(model, "stop_tokens", frozenset(first) | model.stop_tokens)
    together = generate(model, [short, long], max_new_tokens=3).tokens
    assert together == [[], generate(model, [long], max_new_tokens=3).tokens[0]]


def test_it_acts_at_its_targets_and_not_at_strength_0_or_where_all_is_kept(model: Model):
    plain = run(model, [row.prompt for row in rows()]).logits  # pyright: ignore
    for idle in (rows(strength=0.0), rows(kept=1.0)):
        assert (run(model, idle).logits - plain).abs().max() < 1e-5 * plain.abs().max()
    found = run(model, rows())
    assert (found.logits - plain).abs().max() > 1e-4
    assert all(entry["prompt_positions"] == len(rows()) for entry in found.receipt.table())


@pytest.mark.parametrize(
    "bad", [{"strength": 1.5}, {"kept": 0.0}, {"kept": 1.5}, {"kept": math.nan}, {"source": ("all",)}]
)
def test_what_makes_no_sense_is_refused(model: Model, bad: dict):
    with pytest.raises(UsageError, match=next(iter(bad))):
        run(model, rows(**bad)[:1])


def test_a_prompt_with_nothing_behind_the_source_is_refused(model: Model):
    with pytest.raises(NothingEditedError, match="before other tokens"):
        run(model, [Row(Prompt("What is it?", context="A cat."), (edit(source=("last",)),))])
