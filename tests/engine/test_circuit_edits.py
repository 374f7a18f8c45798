"""Edits of heads and attention edges: the fast path equals the plain reference, and each does what it says."""

from typing import Any

import pytest
import torch

from tests.engine.prompts import varied_prompts
from tests.engine.test_contract import assert_same, vector
from trimtab.engine import (
    AddVector,
    BlockAttention,
    Read,
    ReplaceHeads,
    Row,
    ScaleHeads,
    applied,
    encode,
    generate,
    run,
)
from trimtab.engine.edits import Edit, Places
from trimtab.engine.local.attention import seen_keys
from trimtab.engine.local.whitebox import attention
from trimtab.errors import NothingEditedError, UsageError
from trimtab.models import Model

SCOPES: list[Places] = [("last", "generated"), ("instruction", "last", "generated"), ("all",), ("image",), (5, 7)]
EDGES: list[tuple[Places, Places]] = [
    (("image",), ("question", "last")),
    (("context",), ("last", "generated")),
    (("image",), ("context",)),
    (("image", "context"), ("all",)),
    ((3, 4), ("last",)),
]


def values(model: Model, heads: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(heads, model.head_dim, generator=torch.Generator().manual_seed(seed))


def rows_with_every_edit(model: Model) -> list[Row]:
    """Prompts with picture, context and sometimes an instruction, under every kind of edit and several at once."""
    rows = []
    for prompt in varied_prompts()[:3]:
        rows.append(Row(prompt))
        for at in SCOPES:
            rows.append(Row(prompt, (ScaleHeads(1, (0, 3), at, 0.0), ScaleHeads(2, (1,), at, 2.5))))
            rows.append(Row(prompt, (ReplaceHeads(2, (1, 2), at, values(model, 2)), AddVector(2, vector(model)))))
        for source, target in EDGES:
            rows.append(Row(prompt, (BlockAttention(source, target, (1, 2)),)))
            rows.append(Row(prompt, (BlockAttention(source, target, (0, -1), heads=(1, 2)), ScaleHeads(3, (2,)))))
    return rows


def test_fast_path_equals_plain_reference(model):
    rows, read = rows_with_every_edit(model), Read(hidden=(1, 3), heads=(2,))
    fast, plain = run(model, rows, read), run(model, rows, read, reuse=False)
    assert_same(fast.logits, plain.logits)
    for layer in read.hidden:
        assert_same(fast.hidden[layer], plain.hidden[layer])
    assert_same(fast.heads[2], plain.heads[2])
    assert fast.cost.tokens < plain.cost.tokens
    assert len({tuple(row.tolist()) for row in fast.logits.round(decimals=4)}) > 0.9 * len(rows)  # edits differ


def test_answers_and_receipts_equal_those_of_the_models_own_generate(model, monkeypatch):
    rows = rows_with_every_edit(model)
    endless = generate(model, rows, max_new_tokens=5).tokens
    stops = {answer[place % 5] for place, answer in enumerate(endless) if place % 4 == 0}
    monkeypatch.setitem(vars(model), "stop_tokens", frozenset(stops))
    fast, plain = generate(model, rows, max_new_tokens=5), generate(model, rows, max_new_tokens=5, reuse=False)
    assert len({len(tokens) for tokens in fast.tokens}) > 1
    assert fast.tokens == plain.tokens
    ours, theirs = ({(e["edit"], e["layer"]): e for e in found.receipt.table()} for found in (fast, plain))
    assert ours.keys() == theirs.keys()
    for key, entry in ours.items():
        assert entry.pop("relative_change") == pytest.approx(theirs[key].pop("relative_change"), rel=1e-3, abs=1e-6)
        assert entry == theirs[key]


def test_eager_equals_sdpa(model):
    rows = rows_with_every_edit(model)
    with attention(model, "eager"):
        logits, tokens = run(model, rows).logits, generate(model, rows, max_new_tokens=4).tokens
        assert_same(run(model, rows[:8], reuse=False).logits, logits[:8])
    assert_same(logits, run(model, rows).logits)
    assert tokens == generate(model, rows, max_new_tokens=4).tokens


@pytest.mark.parametrize("batch_size", [1, 5])
def test_batch_size_changes_nothing(model, batch_size):
    rows = rows_with_every_edit(model)
    assert_same(run(model, rows, batch_size=batch_size).logits, run(model, rows).logits)
    assert (
        generate(model, rows[:20], max_new_tokens=4, batch_size=batch_size).tokens
        == generate(model, rows[:20], max_new_tokens=4).tokens
    )


@pytest.mark.parametrize("at", SCOPES)
def test_factor_one_and_own_outputs_are_exact_identities(model, at):
    prompt = varied_prompts()[1]
    own = run(model, [prompt], Read(logits=False, heads=(1,))).heads[1][0]
    plain = run(model, [prompt], Read(at="all"), reuse=False).logits[0]
    scaled = run(model, [Row(prompt, (ScaleHeads(1, (0, 2), at, 1.0),))], Read(at="all"), reuse=False).logits[0]
    assert torch.equal(scaled, plain)
    replaced = run(model, [Row(prompt, (ReplaceHeads(1, (0, 2), ("last",), own[[0, 2]]),))]).logits
    assert_same(replaced, plain[-1:])


def test_a_silenced_head_equals_zeroed_columns_of_the_output_projection(model):
    prompts, layer, head = varied_prompts()[:4], 2, 1
    edited = run(model, [Row(p, (ScaleHeads(layer, (head,)),)) for p in prompts]).logits
    weight: torch.Tensor = model.head_outputs[layer].weight  # pyright: ignore
    before, columns = weight.clone(), slice(head * model.head_dim, (head + 1) * model.head_dim)
    try:
        weight[:, columns] = 0
        assert_same(edited, run(model, prompts, reuse=False).logits)
    finally:
        weight.copy_(before)


def test_heads_are_query_heads_and_only_they_change_where_the_edit_says(model):
    prompt, read = varied_prompts()[1], Read(logits=False, heads=(1,), at="all")
    instruction, last = encode(model, prompt).span("instruction"), len(encode(model, prompt)) - 1
    plain = run(model, [prompt], read).heads[1][0]
    edited = run(model, [Row(prompt, (ScaleHeads(1, (2,), ("instruction", "last"), 3.0),))], read)
    expected = plain.clone()
    expected[[*instruction.tolist(), last], 2] *= 3.0
    assert_same(edited.heads[1][0], expected)
    assert edited.receipt.table()[0]["prompt_positions"] == len(instruction) + 1


def others(model: Model, prompt: Any) -> tuple[int, ...]:
    encoded = encode(model, prompt)
    image = set(encoded.span("image").tolist())
    return tuple(i for i in range(len(encoded)) if i not in image)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_with_all_edges_from_the_image_cut_the_answer_cannot_depend_on_it(model, implementation):
    prompt, other = varied_prompts()[1], varied_prompts()[1].with_media("image", varied_prompts()[6].images[:1])
    other = other.with_media("image", (other.images[0].resize(prompt.images[0].size),))
    rest = others(model, prompt)
    every = tuple(range(model.n_layers))
    with attention(model, implementation):
        blind = run(model, [Row(p, (BlockAttention(("image",), rest, every),)) for p in (prompt, other)]).logits
        partly = run(model, [Row(p, (BlockAttention(("image",), rest, every[:-1]),)) for p in (prompt, other)]).logits
    assert_same(blind[0], blind[1])
    assert float((partly[0] - partly[1]).abs().max()) > 1e-3


def test_a_token_always_sees_itself(model):
    prompt = varied_prompts()[0]
    everything = Row(prompt, (BlockAttention(("all",), ("all",), tuple(range(model.n_layers))),))
    fast, plain = run(model, [everything], Read(at="all")).logits[0], run(model, [everything], reuse=False).logits
    assert torch.isfinite(fast).all()
    assert_same(fast[-1:], plain)
    with attention(model, "eager"):
        assert_same(run(model, [everything]).logits, plain)


def test_edges_of_some_heads_change_only_these_heads(model):
    prompt, read = varied_prompts()[0], Read(logits=False, heads=(2,))
    plain = run(model, [prompt], read).heads[2][0]
    some = run(model, [Row(prompt, (BlockAttention(("image",), ("last",), (2,), heads=(1, 3)),))], read).heads[2][0]
    assert_same(some[[0, 2]], plain[[0, 2]])
    assert ((some - plain)[[1, 3]].norm(dim=-1) > 1e-3).all()
    one_by_one = [Row(prompt, (BlockAttention(("image",), ("last",), (2,), heads=(0, 1, 2, 3)),))]
    all_heads = [Row(prompt, (BlockAttention(("image",), ("last",), (2,)),))]
    assert_same(run(model, one_by_one).logits, run(model, all_heads).logits)


def test_a_sweep_shares_all_that_comes_before_its_edits(model):
    prompt = varied_prompts()[1]
    encoded = encode(model, prompt)
    heads: list[tuple[Edit, ...]] = [
        (ScaleHeads(layer, (head,), ("last",)),) for layer in range(4) for head in range(4)
    ]
    assert run(model, [Row(encoded, e) for e in heads]).cost.tokens == len(encoded) - 1 + len(heads)
    windows = [(BlockAttention(("image",), ("instruction", "question"), (layer,)),) for layer in range(4)]
    first = int(encoded.span("instruction")[0])
    assert run(model, [Row(encoded, e) for e in windows]).cost.tokens == first + 4 * (len(encoded) - first)
    together = run(model, [Row(encoded, e) for e in [*heads, *windows]]).cost.tokens
    assert together == len(encoded) - 1 + len(heads) + 4 * (len(encoded) - first)  # the first ones once
    into_context = [(BlockAttention(("image",), ("context",), (layer,)),) for layer in range(4)]
    start = int(encoded.span("context")[0])
    assert run(model, [Row(encoded, e) for e in into_context]).cost.tokens == start + 4 * (len(encoded) - start)


def test_applied_reaches_the_models_own_generate_where_it_can_know_the_places(model):
    prompt = varied_prompts()[0]
    encoded = encode(model, prompt)
    edits = [BlockAttention(("image",), ("last", "generated"), (1, 2)), ScaleHeads(2, (1,), ("image", "last"), 4.0)]
    inputs = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    with applied(model, edits):
        ours = generate(model, [prompt], max_new_tokens=5).tokens[0]
        native = model.hf.generate(**inputs, max_new_tokens=5, do_sample=False)  # pyright: ignore
    assert native[0, len(encoded) :].tolist()[: len(ours)] == ours
    with pytest.raises(UsageError, match="`edits` at context"), applied(model, [ScaleHeads(1, (0,), ("context",))]):
        model.hf(**inputs)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: ScaleHeads(9, (0,)), r"`layer` of ScaleHeads must be in 0\.\.3 .*got 9"),
        (lambda m: ScaleHeads(0, (4,)), r"`heads` of ScaleHeads .* in 0\.\.3 .*\(4 heads a layer\); got \(4,\)"),
        (lambda m: ScaleHeads(0, ()), "one or more different"),
        (lambda m: ScaleHeads(0, (1, 1)), "one or more different"),
        (lambda m: ScaleHeads(0, (1,), ("middle",)), "`at` of ScaleHeads must be a tuple of places"),
        (lambda m: ScaleHeads(0, (1,), factor=float("nan")), "must be finite"),
        (lambda m: ScaleHeads(0, (1,), (9999,)), r"token indices in 0\.\."),
        (lambda m: ReplaceHeads(0, (1,)), "got none; read them"),
        (lambda m: ReplaceHeads(0, (1,), values=values(m, 2)), r"shape \(1, 16\).*got \(2, 16\)"),
        (lambda m: BlockAttention(("generated",), ("last",), (0,)), "must be tokens of the prompt"),
        (lambda m: BlockAttention(("image",), ("last",), ()), "at least one layer"),
        (lambda m: BlockAttention(("image",), (), (0,)), "name at least one"),
        (lambda m: BlockAttention(("image",), ("last",), (0,), heads=(7,)), "`heads` of BlockAttention"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_in_one_sentence(model, edit, message):
    with pytest.raises(UsageError, match=message):
        run(model, [Row(varied_prompts()[0], (edit(model),))])


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize(
    ("prompt", "edit", "message"),
    [
        (0, ScaleHeads(1, (0,), ("instruction",)), "a prompt has only"),
        (0, BlockAttention(("question",), ("image",), (0,)), "only see earlier ones"),
        (3, BlockAttention(("context",), ("last",), (0,)), "a prompt has only"),
        (0, ScaleHeads(1, (0,), ("generated",)), "touched 0 of 2 rows"),
    ],
)
def test_an_edit_that_hits_nothing_raises(model, reuse, prompt, edit, message):
    rows = [Row(varied_prompts()[prompt], (edit,)), Row(varied_prompts()[prompt], (edit,))]
    with pytest.raises(NothingEditedError, match=message):
        run(model, rows, reuse=reuse)


def test_attention_that_takes_no_mask_is_refused(model, monkeypatch):
    monkeypatch.setattr(model.text_config, "_attn_implementation", "flash_attention_2")
    from trimtab.engine.local.attention import with_mask
    from trimtab.engine.local.place import Place

    index = torch.arange(3)[None]
    place = Place(index, torch.tensor([3]), index)
    with pytest.raises(UsageError, match="sdpa, eager"):
        with_mask(model, None, seen_keys(None, place))
    with pytest.raises(UsageError, match="3 queries and 3 keys"):
        seen_keys(torch.ones(1, 1, 2, 3, dtype=torch.bool), place)
