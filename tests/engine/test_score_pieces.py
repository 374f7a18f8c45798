"""Edited scores are computed for some queries at a time: the same numbers, and no table of all queries by all keys."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.engine.prompts import varied_prompts
from tests.steering.items import held_out_items
from trimtab.engine import (
    BoostAttention,
    Edit,
    FlattenAttention,
    MergeKeys,
    RedistributeAttention,
    Row,
    applied,
    encode,
    generate,
    inputs,
    run,
)
from trimtab.engine.local import scores
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering.contrasting import CausalRule
from trimtab.testing import tiny_model

WHERE = ("image",), ("all",)
EDITS: dict[str, Edit] = {
    "boost": BoostAttention(*WHERE, (1, 2), 0.7),
    "flatten": FlattenAttention(("all",), ("all",), (0, 1), 1.0),
    "redistribute": RedistributeAttention(*WHERE, (1,), 0.4, ("context",), min_attention=0.0),
    "merge": MergeKeys(("image",), ("last", "generated"), (1, 2), 0.5, 0.5),
}


class Largest(TorchDispatchMode):
    """The most numbers of any tensor that an operation made."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        own = [leaf.untyped_storage().nbytes() // leaf.itemsize for leaf in tree_leaves(made) if torch.is_tensor(leaf)]
        self.numbers = max([self.numbers, *own])
        return made


@pytest.mark.parametrize("edit", EDITS.values(), ids=list(EDITS))
@pytest.mark.parametrize("numbers", [1, 700])
def test_pieces_give_the_same_as_the_whole(model: Model, monkeypatch: pytest.MonkeyPatch, edit: Edit, numbers: int):
    rows = [Row(prompt_for(item), (edit,)) for item in held_out_items()[:2]]
    whole, answers = run(model, rows), generate(model, rows, max_new_tokens=3)
    monkeypatch.setattr(scores, "NUMBERS", numbers)
    pieces, again = run(model, rows), generate(model, rows, max_new_tokens=3)
    assert torch.allclose(pieces.logits, whole.logits, atol=1e-5)
    assert again.tokens == answers.tokens
    for one, other in zip(pieces.receipt.table(), whole.receipt.table(), strict=True):
        change = other.pop("relative_change")
        assert one.pop("relative_change") == pytest.approx(change, rel=1e-4)
        assert one == other
    assert all(entry["prompt_positions"] for entry in pieces.receipt.table())


@pytest.mark.parametrize("ask", [lambda p: Row(p, (EDITS["boost"],)), lambda p: CausalRule(4).ask(p, 1.0)])
def test_no_tensor_is_as_large_as_all_queries_by_all_keys(monkeypatch: pytest.MonkeyPatch, ask: Any):
    model = tiny_model("llava", layers=4)
    prompt = replace(varied_prompts()[0], context="a cat " * 250)
    tokens = len(encode(model, prompt))
    assert tokens > 500
    monkeypatch.setattr(scores, "NUMBERS", 2**15)
    with Largest() as largest:
        generate(model, [ask(prompt)], max_new_tokens=2)
    assert largest.numbers < tokens**2


def test_a_users_own_pass_is_edited_in_pieces_too(model: Model, monkeypatch: pytest.MonkeyPatch):
    prompt = prompt_for(held_out_items()[0])

    def logits() -> torch.Tensor:
        with applied(model, [EDITS["boost"]]):
            return model.hf(**inputs(model, prompt)).logits

    whole = logits()
    monkeypatch.setattr(scores, "NUMBERS", 1)
    assert torch.allclose(logits(), whole, atol=1e-5)
