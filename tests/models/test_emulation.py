"""A processor without instructions for a type says so; no other does."""

import pytest
import torch

from trimtab import load
from trimtab.models import emulated

CPU = torch.device("cpu")
OLD = {"architecture": "x86_64", "avx2": True}


@pytest.mark.parametrize(
    ("has", "dtype", "slow"),
    [
        (OLD, torch.bfloat16, True),
        (OLD, torch.float16, True),
        (OLD, torch.float32, False),
        ({**OLD, "avx512_bf16": True}, torch.bfloat16, False),
        ({**OLD, "amx_bf16": True}, torch.bfloat16, False),
        ({**OLD, "amx_bf16": True}, torch.float16, True),
        ({"architecture": "aarch64"}, torch.bfloat16, False),
        ({}, torch.bfloat16, False),
    ],
)
def test_what_a_processor_lacks_is_said(monkeypatch, has, dtype, slow):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    assert bool(emulated(dtype, CPU)) == slow
    assert emulated(dtype, torch.device("meta")) is None


def test_an_earlier_torch_says_nothing(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert emulated(torch.bfloat16, CPU) is None


def test_loading_reports_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: OLD, raising=False)
    notes = load("pocket-llava", dtype="bfloat16", device="cpu", check=False).report.notes
    assert any("no instructions for bfloat16" in note and "dtype='float32'" in note for note in notes)
    assert load("pocket-llava", device="cpu", check=False).report.notes == ()
