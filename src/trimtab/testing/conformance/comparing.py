"""How jobs compare numbers; what differs is said with how much."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TOLERANCE = 1e-5
"""Largest difference of float32 numbers that mean the same, as a share of the largest of them, or of 1."""
LEAST = 1e-4
"""What an edit must move, on the same scale, to have done something."""


def same(what: str, got: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    """Say that two tensors are equal but for rounding.

    Raises:
        AssertionError: They are not, with the difference.
    """
    equal(f"shape of {what}", tuple(got.shape), tuple(expected.shape))
    if not got.numel():
        return
    scale = max(float(expected.abs().max()), 1.0)
    found = float((got.float() - expected.float()).abs().max()) / scale
    assert found <= tolerance, f"{what}: a difference of {found:.2g} of the largest {scale:.3g}; {tolerance:g} allowed"


def all_same(what: str, got: Sequence[Tensor] | Tensor, expected: Sequence[Tensor] | Tensor) -> None:
    """Say that the tensors of several rows are equal but for rounding."""
    for row, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        same(f"{what}, row {row}", ours, theirs)


def moved(what: str, got: Tensor, before: Tensor, least: float = LEAST) -> None:
    """Say that every row of a tensor changed, the last axis being a row.

    Raises:
        AssertionError: One did not, with the change.
    """
    scale = max(float(before.abs().max()), 1.0)
    found = float((got.float() - before.float()).abs().amax(-1).min()) / scale
    assert found >= least, f"{what}: a change of {found:.2g} of the largest {scale:.3g}; {least:g} needed"


def equal(what: str, got: object, expected: object) -> None:
    """Say that two values are equal.

    Raises:
        AssertionError: They are not, with both.
    """
    if isinstance(got, Tensor) and isinstance(expected, Tensor):
        assert torch.equal(got, expected), f"{what}: {got.tolist()!s:.200}; expected {expected.tolist()!s:.200}"
        return
    assert got == expected, f"{what}: {got!r:.200}; expected {expected!r:.200}"
