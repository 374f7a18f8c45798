"""Patched states: the fast path equals the plain reference, and what is put in place is what goes on."""

from typing import Any

import pytest
import torch

from tests.engine.prompts import varied_prompts
from tests.engine.test_contract import assert_same
from trimtab.engine import (
    AddVector,
    Capability,
    Places,
    Prompt,
    Read,
    ReplaceStates,
    Row,
    applied,
    encode,
    generate,
    needs,
    run,
)
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.testing import picture

PLACES: list[Places] = [("all",), ("image",), ("context",), ("instruction", "question"), ("last",), (3, 7)]


def pair() -> tuple[Prompt, Prompt]:
    """Return two prompts of one layout: another picture of the same size, and another word of the context."""
    one = varied_prompts()[1]
    return one, one.with_media("image", (picture(5, one.images[0].size),))


def states(model: Model, prompt: Prompt, layer: int) -> torch.Tensor:
    return run(model, [prompt], Read(logits=False, hidden=(layer,), at="all")).hidden[layer][0]


def patched(model: Model, layer: int, at: Places, strength: float = 1.0) -> Row:
    """Return the first prompt of the pair with the other's states at some tokens."""
    one, other = pair()
    encoded = encode(model, one)
    found = states(model, other, layer)
    tokens = ReplaceStates(layer, found, ("all",)).tokens(encoded) if at == ("all",) else indices(encoded, at)
    return Row(one, (ReplaceStates(layer, found[tokens], at, strength),))


def indices(prompt: Any, at: Places) -> torch.Tensor:
    own = [torch.tensor([p]) if isinstance(p, int) else prompt.span(p) for p in at]
    return torch.cat(own).unique()


def rows(model: Model) -> list[Row]:
    found = [patched(model, layer, at) for layer in (0, 1, 3) for at in PLACES]
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    both = patched(model, 1, ("image",))
    return [
        Row(pair()[0]),
        *found,
        patched(model, 2, ("image",), 0.5),
        Row(both.prompt, (*both.edits, AddVector(1, vector))),
    ]


def test_fast_path_equals_plain_reference(model):
    asked, read = rows(model), Read(hidden=(1, 3))
    fast, plain = run(model, asked, read), run(model, asked, read, reuse=False)
    assert_same(fast.logits, plain.logits)
    for layer in read.hidden:
        assert_same(fast.hidden[layer], plain.hidden[layer])
    single = torch.cat([run(model, [row]).logits for row in asked])
    assert_same(fast.logits, single)
    assert fast.cost.tokens < plain.cost.tokens or model.mask_rule == "prompt"


def test_answers_and_receipts_equal_those_of_the_models_own_generate(model):
    asked = rows(model)
    fast, plain = generate(model, asked, max_new_tokens=4), generate(model, asked, max_new_tokens=4, reuse=False)
    assert fast.tokens == plain.tokens
    ours, theirs = ({(e["edit"], e["layer"]): e for e in found.receipt.table()} for found in (fast, plain))
    assert ours.keys() == theirs.keys()
    for key, entry in ours.items():
        assert entry.pop("relative_change") == pytest.approx(theirs[key].pop("relative_change"), rel=1e-3, abs=1e-6)
        assert entry == theirs[key]
        assert entry["generated_positions"] == 0 or "AddVector" in entry["edit"]


def test_rows_that_stop_early_take_their_states_with_them(model, monkeypatch):
    asked = rows(model)
    first = {answer[0] for answer in generate(model, asked, max_new_tokens=1).tokens[::2]}
    monkeypatch.setitem(vars(model), "stop_tokens", frozenset(first))
    fast, plain = (generate(model, asked, max_new_tokens=4, reuse=reuse).tokens for reuse in (True, False))
    assert fast == plain


@pytest.mark.parametrize("at", PLACES)
def test_strength_0_and_own_states_are_exactly_the_unedited_model(model, at):
    one, _ = pair()
    plain = run(model, [one], Read(at="all"), reuse=False).logits[0]
    idle = run(model, [patched(model, 1, at, 0.0)], Read(at="all"), reuse=False).logits[0]
    assert torch.equal(idle, plain)
    tokens = indices(encode(model, one), at) if at != ("all",) else torch.arange(len(plain))
    own = run(model, [one], Read(logits=False, hidden=(1,), at="all"), reuse=False).hidden[1][0][tokens]
    kept = run(model, [Row(one, (ReplaceStates(1, own, at),))], Read(at="all"), reuse=False).logits[0]
    assert torch.equal(kept, plain)


def test_only_the_named_tokens_of_the_layer_change_and_they_are_the_given_states(model):
    one, other = pair()
    image = encode(model, one).span("image")
    given, own = states(model, other, 1), states(model, one, 1)
    found = run(model, [patched(model, 1, ("image",))], Read(hidden=(1,), at="all"))
    expected = own.clone()
    expected[image] = given[image]
    assert_same(found.hidden[1][0], expected)
    (entry,) = found.receipt.table()
    assert (entry["edit"], entry["layer"], entry["prompt_positions"]) == ("ReplaceStates(image)", 1, len(image))


def test_all_tokens_replaced_give_the_other_prompts_answer(model):
    """Whatever came before, the layers above see nothing but what was put in place."""
    last = run(model, [patched(model, model.n_layers - 1, ("all",))]).logits
    assert_same(last, run(model, [pair()[1]]).logits)


def test_a_block_reaches_the_engine_and_the_models_own_generate(model):
    one, _ = pair()
    row, encoded = patched(model, 1, (3, 7)), encode(model, one)
    expected = generate(model, [row], max_new_tokens=4).tokens
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    with applied(model, row.edits) as receipt:
        ours = generate(model, [one], max_new_tokens=4).tokens
        native = model.hf.generate(**given, max_new_tokens=4, do_sample=False)  # pyright: ignore
    assert ours == expected
    assert native[0, len(encoded) :].tolist()[: len(ours[0])] == ours[0]
    assert receipt.positions == 4  # once by the engine, once natively


def test_it_names_its_capability_and_refuses_what_does_not_fit(model):
    one, other = pair()
    found = states(model, other, 1)
    assert needs([Row(one, (ReplaceStates(1, found),))]) == {Capability.EDIT_STATES}
    bad: list[tuple[ReplaceStates, str]] = [
        (ReplaceStates(1, found[:-1]), "`values` of ReplaceStates must hold a state for each token touched"),
        (ReplaceStates(1, found[:, :-1]), "`values` of ReplaceStates must have shape"),
        (ReplaceStates(1, found, ("last", "generated")), "`at` of ReplaceStates must be tokens of the prompt"),
        (ReplaceStates(1, found, ("nowhere",)), "`at` of ReplaceStates"),
        (ReplaceStates(99, found), "`layer` of ReplaceStates"),
        (ReplaceStates(1, found, strength=float("nan")), "`strength` of ReplaceStates"),
    ]
    for edit, message in bad:
        for reuse in (True, False):
            with pytest.raises(UsageError, match=message):
                run(model, [Row(one, (edit,))], reuse=reuse)
