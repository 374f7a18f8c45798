"""On the planted circuit, patched states move the answer where the circuit holds it, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.circuits.conftest import planted_items
from trimtab.circuits import (
    Patch,
    TaskConfig,
    build_cases,
    other_instructions,
    other_media,
    same_layout,
    sequence_patching,
)
from trimtab.errors import UsageError
from trimtab.items import read_items
from trimtab.models import load
from trimtab.testing.planted_circuit import READING_HEADS, ROUTING_LAYER, TRANSFER_LAYER

FIRST_READER, LAST_READER = (layer for layer, _ in READING_HEADS)


def flips(model, patches, **options) -> Any:
    table: Any = sequence_patching(model, patches, **options).table
    assert (table["before"] < 0).all()
    assert (table["there"] > 0).all()
    return table.groupby(["part", "layer"])["flipped"].mean()


def curve(found: Any, part: str) -> list[float]:
    return found[part].tolist()


def step(n_layers: int, *, until: int = 0, since: int = 99) -> list[float]:
    """Return 1 at layers below ``until`` and from ``since`` on, else 0."""
    return [float(layer < until or layer >= since) for layer in range(n_layers)]


def test_a_picture_is_in_its_tokens_then_in_the_instruction_then_in_the_last_token(planted, planted_cases):
    patches = other_media(planted_cases.of("image"))
    assert len(patches) == len(planted_cases.of("image"))
    found, n = flips(planted, patches), planted.n_layers
    assert curve(found, "all") == step(n, since=0)
    assert curve(found, "shown") == step(n, until=TRANSFER_LAYER)
    assert curve(found, "words") == step(n, since=TRANSFER_LAYER)
    assert curve(found, "instruction") == [float(TRANSFER_LAYER <= layer < ROUTING_LAYER) for layer in range(n)]
    assert curve(found, "last") == step(n, since=ROUTING_LAYER)
    assert curve(found, "context") == step(n)


def test_an_instruction_is_in_its_tokens_until_it_is_read_and_in_the_last_token_from_then_on(planted, planted_cases):
    found, n = flips(planted, other_instructions(planted_cases)), planted.n_layers
    assert curve(found, "all") == step(n, since=0)
    assert curve(found, "words") == step(n, since=0)
    assert curve(found, "instruction")[:FIRST_READER] == [1.0] * FIRST_READER  # before both heads that read it
    assert curve(found, "instruction")[LAST_READER:] == [0.0] * (n - LAST_READER)
    assert curve(found, "last")[:FIRST_READER] == [0.0] * FIRST_READER
    assert curve(found, "last")[LAST_READER:] == [1.0] * (n - LAST_READER)
    assert curve(found, "shown") == curve(found, "context") == step(n)


def test_all_tokens_patched_give_the_donors_margin_at_every_layer(planted, planted_cases):
    table = sequence_patching(planted, other_instructions(planted_cases[:4]), ["all"]).table
    torch.testing.assert_close(torch.tensor(table["after"]), torch.tensor(table["there"]), atol=1e-4, rtol=0)


def test_pairs_whose_runs_agree_are_counted_and_left_out(planted, planted_cases):
    patches = other_media(planted_cases.of("text"))  # the passage is named: another picture changes nothing
    found = sequence_patching(planted, patches)
    assert found.agreed == len(patches)
    assert found.table.empty


def test_a_donor_has_another_answer_and_keeps_everything_else(planted_cases):
    for patch in other_media(planted_cases):
        assert patch.donor.ids.tolist() == patch.case.prompt.ids.tolist()
        assert patch.donor.media[0].key != patch.case.prompt.media[0].key
    alone = planted_cases[:2]
    assert other_media(alone) == []  # nobody to borrow a picture from


def test_a_donor_of_another_layout_is_refused(planted, planted_cases):
    longer = TaskConfig({"image": "trust the picture .", "text": "trust the the passage ."})
    with pytest.raises(UsageError, match="`donor` of Patch must have as many tokens.*got"):
        other_instructions(build_cases(planted, planted_items(1), longer))
    case = planted_cases[0]
    moved = replace(case.prompt, positions=case.prompt.positions + 1)
    assert not same_layout(case.prompt, moved)
    with pytest.raises(UsageError, match="`donor` of Patch must have its parts"):
        Patch(case, moved, "instruction")
    with pytest.raises(UsageError, match="lack another one"):
        other_instructions(planted_cases[:1])
    with pytest.raises(UsageError, match="`parts` of sequence_patching must be one or more of all, shown.*got nothing"):
        sequence_patching(planted, other_instructions(planted_cases[:2]), ["nothing"])


@pytest.mark.parametrize("name", ["pocket-qwen", "pocket-llava"])
def test_a_bundled_model_gets_its_donors_answer_from_all_tokens_at_any_layer(name):
    model = load(name)
    items = [item for item in read_items("pocket-mc2:test") if item.task == "color"][:4]
    cases = build_cases(model, items)
    for patches in (other_instructions(cases)[:3], other_media(cases)[:4]):
        table: Any = sequence_patching(model, patches, ["all", "last"]).table
        whole = table[table["part"] == "all"]
        assert len(whole)
        assert whole["flipped"].all()
        early = table[(table["part"] == "last") & (table["layer"] == 0)]
        assert early["kept"].all()
