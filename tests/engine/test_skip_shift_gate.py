"""Skipped layers, shifted heads and gated vectors: beside the plain formula, and the same from a cache as without."""

import pytest
import torch

from tests.steering.items import held_out_items
from trimtab.engine import AddGatedVector, AddVector, Edit, Read, Row, ShiftHeads, SkipLayers, encode, generate, run
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model

END = ("last", "generated")


def vector(model: Model, seed: int = 0) -> torch.Tensor:
    return torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(seed))


def head_values(model: Model) -> torch.Tensor:
    return torch.randn(2, model.head_dims[1], generator=torch.Generator().manual_seed(1))


def every(model: Model) -> list[Edit]:
    return [
        SkipLayers((2, 3), END),
        SkipLayers((1,)),
        ShiftHeads(1, (0, 2), END, head_values(model), 3.0),
        AddGatedVector(1, vector(model), 3.0, "from_last_prompt", vector(model, 2) / 8, 0.3),
        AddGatedVector(2, vector(model), 3.0, "all", vector(model, 2) / 8, 0.3),
    ]


def rows(edit: Edit | None = None) -> list[Row]:
    return [Row(prompt_for(item), () if edit is None else (edit,)) for item in held_out_items()]


def test_cached_equals_uncached_and_a_batch_equals_single_rows(model: Model):
    asked = [row for edit in every(model) for row in rows(edit)]
    fast, slow = run(model, asked).logits, run(model, asked, reuse=False).logits
    assert (fast - slow).abs().max() < 1e-5 * slow.abs().max()
    single = torch.cat([run(model, [row]).logits for row in asked])
    assert (fast - single).abs().max() < 1e-5 * slow.abs().max()
    cached, plain = (generate(model, asked, max_new_tokens=4, reuse=reuse).tokens for reuse in (True, False))
    assert cached == plain
    unedited = run(model, rows()).logits
    for edit in every(model):
        assert (run(model, rows(edit)).logits - unedited).abs().amax(-1).max() > 1e-4


def test_skipping_all_later_layers_reads_the_answer_off_a_layer(model: Model):
    states = run(model, rows(), Read(logits=False, hidden=(1,))).hidden[1]
    expected = model.logits(model.normed(states))
    found = run(model, rows(SkipLayers(tuple(range(2, model.n_layers)), END)))
    assert torch.allclose(found.logits, expected, atol=1e-4)
    assert [e["layer"] for e in found.receipt.table()] == [2, 3]
    assert all(e["prompt_positions"] == len(rows()) for e in found.receipt.table())


def test_shifted_heads_put_out_so_much_more(model: Model):
    plain = run(model, rows(), Read(heads=(1,)))
    found = run(model, rows(ShiftHeads(1, (0, 2), END, head_values(model), 2.0)), Read(heads=(1,)))
    expected = plain.heads[1].clone()
    expected[:, [0, 2]] += 2 * head_values(model)
    assert torch.allclose(found.heads[1], expected, atol=1e-5)
    idle = run(model, rows(ShiftHeads(1, (0, 2), END, head_values(model), 0.0)))
    assert torch.equal(idle.logits, plain.logits)


def test_each_token_has_its_own_gate(model: Model):
    weights, offset = vector(model, 2) / 8, 0.3
    read = Read(logits=False, hidden=(1,), at="all")
    before = run(model, rows(), read).hidden[1]
    after = run(model, rows(AddGatedVector(1, vector(model), 2.0, "all", weights, offset)), read).hidden[1]
    gates = torch.cat([(own @ weights + offset).clamp(0, 1) for own in before])
    change = torch.cat([a - b for a, b in zip(after, before, strict=True)])
    assert torch.allclose(change, 2 * gates[:, None] * vector(model), atol=1e-4)
    assert ((gates > 0) & (gates < 1)).any()


def test_an_open_gate_is_the_plain_vector(model: Model):
    opened = AddGatedVector(1, vector(model), 2.0, "from_last_prompt", 0 * vector(model), 1.0)
    plain = AddVector(1, vector(model), 2.0)
    asked = [*rows(opened), *rows(plain)]
    assert torch.equal(*run(model, asked).logits.chunk(2))


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (SkipLayers((9,)), "layer"),
        (SkipLayers(()), "layers"),
        (SkipLayers((0,), ("nowhere",)), "at"),
        (ShiftHeads(0, (0,)), "values"),
        (ShiftHeads(0, (0,), ("last",), torch.zeros(1, 3)), "values"),
        (AddGatedVector(0, torch.zeros(64)), "weights"),
        (AddGatedVector(0, torch.zeros(64), weights=torch.zeros(3)), "weights"),
    ],
)
def test_what_does_not_fit_is_refused(model: Model, edit: Edit, what: str):
    prompt = encode(model, prompt_for(held_out_items()[0]))
    with pytest.raises(UsageError, match=f"`{what}`"):
        run(model, [Row(prompt, (edit,))])
