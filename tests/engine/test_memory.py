"""Out of memory halves the batch and loses nothing."""

import logging

import pytest
import torch

from trimtab.engine.memory import first_guess, halving


def test_halving_goes_on_with_smaller_batches(model, caplog):
    model.batch_size = None

    def work(start: int, end: int) -> list[int]:
        if end - start > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(start, end))

    with caplog.at_level(logging.WARNING):
        done = [r for _, _, part in halving(model, 16, 10, work) for r in part]
    assert done == list(range(10))
    assert model.batch_size is not None
    assert model.batch_size <= 3
    assert "going on with batches of" in caplog.text
    model.batch_size = None


def test_cpu_allocation_failure_counts_as_out_of_memory(model):
    def work(start: int, end: int) -> int:
        if end - start > 1:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return start

    assert [r for _, _, r in halving(model, 4, 3, work)] == [0, 1, 2]
    model.batch_size = None


def test_other_errors_and_single_rows_are_not_swallowed(model):
    def wrong(_start: int, _end: int) -> None:
        raise RuntimeError("shape mismatch")

    def too_big(_start: int, _end: int) -> None:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(RuntimeError, match="shape"):
        list(halving(model, 4, 4, wrong))
    with pytest.raises(torch.OutOfMemoryError):
        list(halving(model, 1, 4, too_big))


def test_guess_shrinks_with_length(model):
    assert 1 <= first_guess(model, 10**9) < first_guess(model, 64)
