"""The contract every family keeps: the fast path equals the plain reference, and edits do what they say."""

from typing import Any, cast

import pytest
import torch

from tests.engine.prompts import varied_prompts
from trimtab.engine import POSITIONS, AddVector, Predictor, Prompt, Read, Row, applied, encode, generate, run
from trimtab.engine.local.batching import over_batches
from trimtab.engine.local.whitebox import attention
from trimtab.errors import NothingEditedError, UsageError
from trimtab.models import Model
from trimtab.progress import Within

TOLERANCE = 1e-5


def vector(model: Model, seed: int = 0) -> torch.Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(seed))


def predictor(model: Model) -> Predictor:
    g = torch.Generator().manual_seed(1)
    size, width = model.hidden_size, 8
    return Predictor(
        torch.randn(width, size, generator=g) / 8,
        torch.randn(width, generator=g),
        torch.randn(size, width, generator=g) / 3,
        torch.randn(size, generator=g) / 3,
    )


def rows_with_every_edit(model: Model) -> list[Row]:
    """Each prompt unedited, under each rule of positions, fixed and predicted, and with two edits at one layer."""
    shared = predictor(model)
    rows = [Row(p) for p in varied_prompts()]
    for i, p in enumerate(varied_prompts()):
        for positions in ("all", "from_last_prompt", "last_prompt"):
            rows.append(Row(p, (AddVector(1, vector(model, i), 1.5, positions),)))
            rows.append(Row(p, (AddVector(2, shared, 0.5 + i, positions), AddVector(2, vector(model), -1.0))))
    return rows


def assert_same(got: torch.Tensor, expected: torch.Tensor) -> None:
    scale = max(float(expected.abs().max()), 1.0)
    torch.testing.assert_close(got, expected, atol=TOLERANCE * scale, rtol=0)


def test_fast_path_equals_plain_reference(model):
    rows, read = rows_with_every_edit(model), Read(hidden=(0, 2, 3), heads=(1, 3))
    fast, plain = run(model, rows, read), run(model, rows, read, reuse=False)
    assert_same(fast.logits, plain.logits)
    for layer in read.hidden:
        assert_same(fast.hidden[layer], plain.hidden[layer])
    for layer in read.heads:
        assert_same(fast.heads[layer], plain.heads[layer])
    assert fast.cost.tokens < plain.cost.tokens or model.mask_rule == "prompt"


def test_counterfactual_pictures_equal_the_plain_reference_and_share_nothing_with_the_plain_ones(model):
    prompts = [p for p in varied_prompts() if p.images]
    rows = [*prompts, *[p.with_image_counterfactual("shuffle") for p in prompts]]
    fast, plain = run(model, rows), run(model, rows, reuse=False)
    assert_same(fast.logits, plain.logits)
    before, after = fast.logits.chunk(2)
    assert ((before - after).abs().amax(-1) > 1e-3).all()
    assert generate(model, rows, max_new_tokens=4).tokens == generate(model, rows, max_new_tokens=4, reuse=False).tokens


def test_receipts_of_both_paths_agree(model):
    rows = rows_with_every_edit(model)
    fast, plain = generate(model, rows, max_new_tokens=3), generate(model, rows, max_new_tokens=3, reuse=False)

    def order(entry: dict) -> tuple:
        return entry["edit"], entry["layer"]

    for ours, theirs in zip(
        sorted(fast.receipt.table(), key=order), sorted(plain.receipt.table(), key=order), strict=True
    ):
        assert ours.pop("relative_change") == pytest.approx(theirs.pop("relative_change"), rel=1e-4)
        assert ours == theirs


def test_greedy_tokens_equal_those_of_the_models_own_generate(model):
    rows = rows_with_every_edit(model)
    assert generate(model, rows, max_new_tokens=6).tokens == generate(model, rows, max_new_tokens=6, reuse=False).tokens


def test_rows_that_stop_early_leave_the_batch_and_disturb_nobody(model, monkeypatch):
    rows = rows_with_every_edit(model)
    endless = generate(model, rows, max_new_tokens=6).tokens
    stops = {answer[place % 6] for place, answer in enumerate(endless) if place % 3 == 0}
    monkeypatch.setitem(vars(model), "stop_tokens", frozenset(stops))
    answers, plain = generate(model, rows, max_new_tokens=6), generate(model, rows, max_new_tokens=6, reuse=False)
    assert len({len(tokens) for tokens in answers.tokens}) > 2
    assert answers.tokens == plain.tokens
    assert answers.finished == plain.finished
    assert answers.receipt.positions == plain.receipt.positions


@pytest.mark.parametrize("positions", POSITIONS)
def test_strength_zero_is_exactly_the_unedited_model(model, positions):
    plain = [Row(p) for p in varied_prompts()]
    zeroed = [
        Row(p, (AddVector(1, vector(model), 0.0, positions), AddVector(2, predictor(model), 0.0, positions)))
        for p in varied_prompts()
    ]
    if positions != "generated_only":  # nothing is generated in a plain run
        # The same cut of the work on both sides, so that equality can be exact.
        assert torch.equal(
            torch.cat([run(model, [r]).logits for r in zeroed]), torch.cat([run(model, [r]).logits for r in plain])
        )
    assert generate(model, zeroed, max_new_tokens=4).tokens == generate(model, plain, max_new_tokens=4).tokens


def test_row_alone_equals_row_in_a_padded_batch(model):
    rows = rows_with_every_edit(model)
    together = run(model, rows).logits
    alone = torch.cat([run(model, [row]).logits for row in rows])
    assert_same(together, alone)
    assert generate(model, rows, max_new_tokens=5).tokens == [
        generate(model, [row], max_new_tokens=5).tokens[0] for row in rows
    ]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_size_changes_nothing(model, batch_size):
    rows = rows_with_every_edit(model)
    assert_same(run(model, rows, batch_size=batch_size).logits, run(model, rows).logits)


def test_eager_equals_sdpa(model):
    rows = rows_with_every_edit(model)
    with attention(model, "eager"):
        eager, tokens = run(model, rows).logits, generate(model, rows, max_new_tokens=4).tokens
    assert_same(eager, run(model, rows).logits)
    assert tokens == generate(model, rows, max_new_tokens=4).tokens


@pytest.mark.parametrize("at", ["all", "image", "context", "question", "last"])
def test_reading_any_span_equals_the_reference(model, at):
    prompts = [p for p in varied_prompts() if at not in ("image", "context") or (p.images and p.context)]
    read = Read(hidden=(1,), heads=(2,), at=at)
    fast, plain = run(model, prompts, read), run(model, prompts, read, reuse=False)
    for ours, theirs in zip(fast.hidden[1], plain.hidden[1], strict=True):
        assert ours.shape == theirs.shape
        assert_same(ours, theirs)
    for ours, theirs in zip(fast.logits, plain.logits, strict=True):
        assert_same(ours, theirs)


def test_reading_only_a_layer_stops_there(model):
    ran = []
    handles = [m.register_forward_hook(lambda *_a, i=i: ran.append(i)) for i, m in enumerate(model.layers)]
    try:
        early = run(model, varied_prompts()[:1], Read(logits=False, hidden=(1,)))
    finally:
        for handle in handles:
            handle.remove()
    assert set(ran) == {0, 1}
    assert early.logits is None
    assert_same(early.hidden[1], run(model, varied_prompts()[:1], Read(hidden=(1,))).hidden[1])


def test_generated_only_leaves_the_first_token_and_moves_later_ones(model):
    prompt, strong = varied_prompts()[0], 50.0 * vector(model)
    plain = generate(model, [prompt], max_new_tokens=6).tokens[0]
    edited = generate(model, [Row(prompt, (AddVector(2, strong, 1.0, "generated_only"),))], max_new_tokens=6)
    assert edited.tokens[0][0] == plain[0]
    assert edited.tokens[0] != plain
    assert edited.receipt.table()[0]["prompt_positions"] == 0


def test_from_last_prompt_touches_exactly_the_last_prompt_token(model):
    prompt = varied_prompts()[0]
    read = Read(logits=False, hidden=(1,), at="all")
    plain = run(model, [prompt], read).hidden[1][0]
    edited = run(model, [Row(prompt, (AddVector(1, vector(model)),))], read)
    change = edited.hidden[1][0] - plain
    assert_same(change[-1], vector(model))
    assert float(change[:-1].abs().max()) == 0.0
    length = len(encode(model, prompt))
    assert edited.receipt.table()[0]["prompt_positions"] == 1
    every = run(model, [Row(prompt, (AddVector(1, vector(model), 1.0, "all"),))], read)
    assert every.receipt.table()[0]["prompt_positions"] == length


def test_last_prompt_is_left_alone_while_generating(model):
    prompt, strong = varied_prompts()[0], 50.0 * vector(model)
    once, always = (
        generate(model, [Row(prompt, (AddVector(2, strong, 1.0, positions),))], max_new_tokens=6)
        for positions in ("last_prompt", "from_last_prompt")
    )
    assert once.tokens[0][0] == always.tokens[0][0]
    assert once.receipt.table()[0]["generated_positions"] == 0
    assert always.receipt.table()[0]["generated_positions"] > 0


def test_predictor_sees_each_rows_own_state(model):
    prompts, layer, shared = varied_prompts(), 2, predictor(model)
    states = run(model, prompts, Read(hidden=(layer,))).hidden[layer]
    edited = run(model, [Row(p, (AddVector(layer, shared),)) for p in prompts], Read(hidden=(layer,))).hidden[layer]
    assert_same(edited - states, shared(states))


def test_applied_reaches_the_engine_and_the_models_own_generate(model):
    prompt, edit = varied_prompts()[0], AddVector(1, 5.0 * vector(model), 1.0, "all")
    encoded = encode(model, prompt)
    expected = generate(model, [Row(prompt, (edit,))], max_new_tokens=5)
    inputs = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    with applied(model, [edit]) as receipt:
        ours = generate(model, [prompt], max_new_tokens=5).tokens
        native = model.hf.generate(**inputs, max_new_tokens=5, do_sample=False)  # pyright: ignore
    assert ours == expected.tokens
    assert native[0, len(encoded) :].tolist()[: len(ours[0])] == ours[0]
    assert receipt.table()[0]["prompt_positions"] == 2 * len(encoded)  # once by the engine, once natively
    assert generate(model, [prompt], max_new_tokens=5).tokens != expected.tokens


def test_applied_on_a_left_padded_native_batch(model):
    short, long = (encode(model, Prompt(q)) for q in ("What is it?", "What color is the animal in the picture?"))
    pad = len(long) - len(short)
    ids = torch.stack([torch.cat([short.ids.new_zeros(pad), short.ids]), long.ids])
    mask = torch.ones_like(ids)
    mask[0, :pad] = 0
    edit = AddVector(1, predictor(model), 2.0, "all")
    with applied(model, [edit]) as receipt:
        native = model.hf.generate(input_ids=ids, attention_mask=mask, max_new_tokens=4, do_sample=False)  # pyright: ignore
    expected = generate(model, [Row(short, (edit,)), Row(long, (edit,))], max_new_tokens=4).tokens
    for row, tokens in zip(native[:, ids.shape[1] :].tolist(), expected, strict=True):
        assert row[: len(tokens)] == tokens
    assert receipt.table()[0]["prompt_positions"] == len(short) + len(long)


def test_nested_blocks_add_up_and_leave_in_order(model):
    prompt = varied_prompts()[0]
    a, b = AddVector(1, vector(model, 1)), AddVector(1, vector(model, 2))
    with applied(model, [a]):
        with applied(model, [b]):
            both = run(model, [prompt]).logits
        outer = run(model, [prompt]).logits
    assert_same(both, run(model, [Row(prompt, (a, b))]).logits)
    assert_same(outer, run(model, [Row(prompt, (a,))]).logits)


def test_hooks_come_off_after_an_exception(model):
    prompt = varied_prompts()[0]
    before = run(model, [prompt]).logits
    with pytest.raises(KeyError), applied(model, [AddVector(1, vector(model))]):
        raise KeyError("in the block")
    assert torch.equal(run(model, [prompt]).logits, before)
    with pytest.raises(ZeroDivisionError):
        list(over_batches(model, _work(model, prompt), None, None, lambda _batch: 1 // 0))
    assert torch.equal(run(model, [prompt]).logits, before)


def _work(model: Model, prompt: Prompt):
    from trimtab.engine.local.work import prepare

    return prepare(model, [Row(prompt, (AddVector(1, vector(model)),))])


def test_an_edit_that_hits_nothing_raises(model):
    prompt, edit = varied_prompts()[0], AddVector(1, vector(model), 1.0, "generated_only")
    with pytest.raises(NothingEditedError, match="0 of 1 rows"):
        run(model, [Row(prompt, (edit,))])
    with pytest.raises(NothingEditedError, match="layer 1"), applied(model, [edit]):
        run(model, [varied_prompts()[4]], Read(logits=False, hidden=(0,)))
    with pytest.raises(NothingEditedError), applied(model, [AddVector(1, vector(model))]):
        pass


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: AddVector(m.n_layers, vector(m)), r"`layer` of AddVector must be in 0\.\.3 .*got 4"),
        (lambda m: AddVector(0, torch.zeros(3)), r"must have shape \(64,\).*got \(3,\)"),
        (lambda m: AddVector(0, vector(m), float("nan")), "must be finite"),
        (lambda m: AddVector(0, vector(m) * float("inf")), "NaN or infinity"),
        (lambda m: AddVector(0, vector(m), 1.0, cast(Any, "everywhere")), "from_last_prompt"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_in_one_sentence(model, edit, message):
    with pytest.raises(UsageError, match=message):
        run(model, [Row(varied_prompts()[0], (edit(model),))])


def test_an_empty_run_and_a_wrong_read_are_refused(model):
    with pytest.raises(UsageError, match="at least one row"):
        run(model, [])
    with pytest.raises(UsageError, match="`layer` of Read"):
        run(model, varied_prompts(), Read(hidden=(9,)))
    with pytest.raises(UsageError, match="logits, hidden, heads or top"):
        run(model, varied_prompts(), Read(logits=False))
    with pytest.raises(UsageError, match="`at` of Read"):
        run(model, varied_prompts(), Read(at="middle"))
    with pytest.raises(UsageError, match="max_new_tokens"):
        generate(model, varied_prompts(), max_new_tokens=0)


def test_progress_counts_every_row_once(model):
    done = []
    run(model, varied_prompts(), progress=Within(done.append), batch_size=2)
    assert sum(done) == len(varied_prompts())
