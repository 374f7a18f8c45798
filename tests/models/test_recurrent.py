"""Models whose layers carry a state: no padding leaks into it, and what such layers do not have is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.circuits.conftest import tiny_items
from tests.contribution.items import conflict_items
from tests.engine import test_contract, test_contrast
from tests.engine.prompts import varied_prompts
from trimtab.circuits import build_cases, head_scores, knockout
from trimtab.contribution import MCS, AttentionMass, measure
from trimtab.engine import (
    AddVector,
    BlockAttention,
    BoostAttention,
    Edit,
    Prompt,
    Read,
    ReplaceHeads,
    Row,
    ScaleHeads,
    applied,
    generate,
    run,
)
from trimtab.errors import UnsupportedMethodError, UnsupportedModelError
from trimtab.models import FAMILIES, Model
from trimtab.testing import picture, tiny_model

HAS_NONE = "layer 0 of tiny-qwen3_5 has linear attention.* name layers among 1, 3"


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("qwen3_5")


def prompts() -> list[Prompt]:
    """Prompts that share prefixes of two lengths, with tails of several."""
    questions = ("What is it?", "Who plays with a ball in the garden?", "Who?")
    contexts = ("Two cats play.", "A dog sleeps on the red sofa while two cats play.")
    return [Prompt(question, picture(1), context) for context in contexts for question in questions]


def test_tails_of_many_lengths_go_on_from_shared_states(model):
    vector, made = test_contract.vector(model), []
    for prompt in prompts():
        made += [Row(prompt), Row(prompt, (AddVector(0, vector, positions="from_last_prompt"),))]
        made += [Row(prompt, (ScaleHeads(1, (0, 2), ("question", "generated")),))]
    read = Read(hidden=(0, 2, 3), at="question")
    fast, plain = run(model, made, read), run(model, made, read, reuse=False)
    for layer in read.hidden:
        for got, expected in zip(fast.hidden[layer], plain.hidden[layer], strict=True):
            test_contract.assert_same(got, expected)
    assert fast.cost.tokens < 0.8 * plain.cost.tokens
    answers = [generate(model, made, max_new_tokens=8, reuse=reuse).tokens for reuse in (True, False)]
    assert answers[0] == answers[1]


def test_padding_between_prefix_and_tail_would_leak_into_the_states(model, monkeypatch):
    plain = run(model, prompts(), reuse=False)
    test_contract.assert_same(run(model, prompts()).logits, plain.logits)
    monkeypatch.setattr(Model, "recurrent", False)  # so that tails of a batch may differ in length
    leaking = run(model, prompts())
    assert leaking.cost.tokens < plain.cost.tokens
    assert (leaking.logits - plain.logits).abs().max() > 1e-2


@pytest.mark.parametrize(
    "claim",
    [
        test_contract.test_rows_that_stop_early_leave_the_batch_and_disturb_nobody,
        test_contract.test_greedy_tokens_equal_those_of_the_models_own_generate,
        test_contract.test_row_alone_equals_row_in_a_padded_batch,
        test_contract.test_reading_only_a_layer_stops_there,
        test_contract.test_last_prompt_is_left_alone_while_generating,
        test_contract.test_predictor_sees_each_rows_own_state,
        test_contract.test_nested_blocks_add_up_and_leave_in_order,
        test_contrast.test_equals_one_full_pass_a_branch_and_token,
        test_contrast.test_alone_equals_in_a_batch,
    ],
)
def test_the_contract(model, claim, monkeypatch):
    claim(*((model, monkeypatch) if "monkeypatch" in claim.__code__.co_varnames[:2] else (model,)))


def test_edits_of_layers_that_attend_equal_the_reference(model):
    prompt = varied_prompts()[0]
    edits: list[Edit] = [
        ScaleHeads(3, (1,), factor=0.0),
        BlockAttention(("image",), ("question",), layers=(1, -1)),
        BoostAttention(("image",), ("last",), (1, 3), 0.5),
    ]
    asked = [Row(prompt, (edit,)) for edit in edits]
    found = run(model, asked).logits
    test_contract.assert_same(found, run(model, asked, reuse=False).logits)
    assert (found - run(model, [prompt]).logits).abs().amax(-1).min() > 1e-4


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: BlockAttention(("image",), ("question",), layers=(1, 0)),
        lambda m: BoostAttention(("image",), ("last",), (0,), 0.5),
        lambda m: ScaleHeads(-4, (1,)),
        lambda m: ReplaceHeads(0, (1,), values=torch.zeros(1, m.head_dim)),
    ],
)
def test_edits_of_what_a_layer_does_not_have_are_refused_before_any_work(model, edit: Callable[[Model], Edit]):
    prompt, made = varied_prompts()[0], edit(model)
    passes: list[int] = []
    handle = model.decoder.register_forward_pre_hook(lambda *_: passes.append(1))
    for ask in (
        lambda: run(model, [Row(prompt, (made,))]),
        lambda: generate(model, [Row(prompt, (made,))]),
        lambda: applied(model, [made]).__enter__(),
    ):
        with pytest.raises(UnsupportedMethodError, match=f"`layers` of {type(made).__name__} must .* {HAS_NONE}"):
            ask()
    handle.remove()
    assert passes == []


def test_jobs_on_heads_and_entries_of_every_layer_are_refused(model):
    cases = build_cases(model, tiny_items())
    jobs: list[Callable[[], Any]] = [
        lambda: run(model, varied_prompts(), Read(heads=(1, 0))),
        lambda: head_scores(model, cases, "direct"),
        lambda: head_scores(model, cases, "gradient"),
        lambda: head_scores(model, cases, "causal"),
        lambda: knockout(model, cases),
    ]
    for job in jobs:
        with pytest.raises(UnsupportedMethodError, match=HAS_NONE):
            job()
    for method in (MCS(), AttentionMass()):
        with pytest.raises(UnsupportedMethodError, match="`contribution` must suit .* layer 0 has linear attention"):
            measure(model, conflict_items(1), method=method)


def test_a_family_that_says_the_wrong_kind_of_layer_is_refused(monkeypatch):
    monkeypatch.setattr(type(FAMILIES["qwen3_5"]), "attends", lambda _self, _hf: (False, False, False, True))
    with pytest.raises(UnsupportedModelError, match="must carry a state in layer 1, .* it keeps a token's keys"):
        tiny_model("qwen3_5")
