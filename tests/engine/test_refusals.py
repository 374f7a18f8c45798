"""Mistakes of a caller are said in one sentence, with the value; no builtin error reaches anybody."""

# pyright: reportArgumentType=false

from typing import Any

import pytest
import torch

from trimtab.engine import (
    AddVector,
    BlockAttention,
    BoostAttention,
    Prompt,
    Read,
    ReplaceHeads,
    Row,
    ScaleHeads,
    applied,
    generate,
    run,
)
from trimtab.engine.local.session import Session
from trimtab.errors import UsageError
from trimtab.models import Model

PROMPT = Prompt("What color is it?", context="A dog sleeps.")


def vector(model: Model) -> torch.Tensor:
    return torch.ones(model.hidden_size)


EDITS: list[tuple[Any, str]] = [
    (lambda m: AddVector(1.0, vector(m)), "`layer` of AddVector .*got 1.0"),
    (lambda m: AddVector(True, vector(m)), "`layer` of AddVector .*got True"),
    (lambda m: AddVector("1", vector(m)), "`layer` of AddVector .*got '1'"),
    (lambda m: AddVector(None, vector(m)), "`layer` of AddVector .*got None"),
    (lambda m: AddVector(1, vector(m), "1"), "`strength` of AddVector must be finite, a number; got '1'"),
    (lambda m: AddVector(1, vector(m), None), "`strength` of AddVector .*got None"),
    (lambda m: AddVector(1, vector(m), 1.0, "lastprompt"), "`positions` of AddVector .*from_last_prompt"),
    (lambda m: AddVector(1, vector(m), 1.0, ["all"]), "`positions` of AddVector"),
    (lambda m: AddVector(1, vector(m).tolist()), "`direction` of AddVector .*got a list"),
    (lambda m: AddVector(1, vector(m).to(torch.complex64)), "real numbers"),
    (lambda _m: ScaleHeads(1, 0), "`heads` of ScaleHeads .*got 0"),
    (lambda _m: ScaleHeads(1, (0.5,)), "`heads` of ScaleHeads"),
    (lambda _m: ScaleHeads(1, (True,)), "`heads` of ScaleHeads"),
    (lambda _m: ScaleHeads(1, (0,), "last"), "`at` of ScaleHeads must be a tuple of places"),
    (lambda _m: ScaleHeads(1, (0,), (True,)), "`at` of ScaleHeads"),
    (lambda _m: ScaleHeads(1, (0,), factor="2"), "`factor` of ScaleHeads"),
    (lambda _m: ReplaceHeads(1, (0,), values=[[1.0]]), "`values` of ReplaceHeads .*got a list"),
    (lambda _m: BlockAttention(("context",), ("last",), 1), "`layers` of BlockAttention .*got 1"),
    (lambda _m: BlockAttention(("context",), ("last",), ("a",)), "`layer` of BlockAttention"),
    (lambda _m: BoostAttention(("context",), ("last",), (1,), "0.2"), "`strength` of BoostAttention"),
]


@pytest.mark.parametrize(("edit", "message"), EDITS)
def test_an_edit_of_wrong_kinds(model: Model, edit: Any, message: str):
    with pytest.raises(UsageError, match=message):
        run(model, [Row(PROMPT, (edit(model),))])


ROWS: list[tuple[Any, str]] = [
    (None, "`rows` must be a list"),
    ("What is it?", "`rows` must be a list .*got a str"),
    ([None], "row 0 is a NoneType"),
    ([PROMPT, "What?"], "row 1 is a str"),
    ([Row("What?")], "row 0 is a str"),
    ([], "at least one row"),
    (iter(()), "at least one row"),
    ([Row(PROMPT, AddVector(1, torch.ones(64)))], "`edits` of Row must be a tuple of edits"),
    ([Row(PROMPT, None)], "`edits` of Row .*got None"),
    ([Row(PROMPT, ("all",))], "`edits` of Row"),
]


@pytest.mark.parametrize(("rows", "message"), ROWS)
def test_rows_of_wrong_kinds(model: Model, rows: Any, message: str):
    for ask in (run, generate):
        with pytest.raises(UsageError, match=message):
            ask(model, rows)


@pytest.mark.parametrize("value", [0, -3, 1.5, True, "4", float("nan")])
def test_counts_of_wrong_kinds(model: Model, value: Any):
    with pytest.raises(UsageError, match="`max_new_tokens` of generate must be at least 1"):
        generate(model, [PROMPT], max_new_tokens=value)
    for ask in (run, generate):
        with pytest.raises(UsageError, match="`batch_size` of .* must be at least 1"):
            ask(model, [PROMPT], batch_size=value)


def test_reads_blocks_and_models_of_wrong_kinds(model: Model):
    with pytest.raises(UsageError, match="`hidden` of Read must be a tuple"):
        run(model, [PROMPT], Read(hidden=1))
    with pytest.raises(UsageError, match="`layer` of Read .*got 1.0"):
        run(model, [PROMPT], Read(heads=(1.0,)))
    with pytest.raises(UsageError, match="`at` of Read"):
        run(model, [PROMPT], Read(at=None))
    with pytest.raises(UsageError, match="`edits` of applied"), applied(model, AddVector(1, vector(model))):
        pass
    with pytest.raises(UsageError, match="`model` of run must be a model that trimtab.load returned.*; got a str"):
        run("pocket-qwen", [PROMPT])
    assert not Session.of(model).ambient


def test_an_unknown_argument_is_named_with_what_there_is(model: Model):
    with pytest.raises(UsageError, match=r"`temperature` is no argument of generate.*decoding=Decoding\(...\)"):
        generate(model, PROMPT, temperature=0.7)  # pyright: ignore[reportCallIssue]
    with pytest.raises(UsageError, match="`batch` is no argument of run, which takes model, rows, read"):
        run(model, PROMPT, batch=2)  # pyright: ignore[reportCallIssue]


def test_options_have_a_letter_each():
    assert "Z. option 25" in Prompt("Which?", choices=tuple(f"option {k}" for k in range(26))).body()[0]
    with pytest.raises(UsageError, match="`choices` of Prompt must be at most 26, a letter each; got 27"):
        Prompt("Which?", choices=tuple(map(str, range(27))))
