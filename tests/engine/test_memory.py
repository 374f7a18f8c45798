"""Out of memory gives up remembered pictures, then halves the batch, and loses nothing."""

import itertools
import logging
import sys

import psutil
import pytest
import torch

from tests.engine.prompts import varied_prompts
from trimtab.engine import Contrast, Row, batches_of, generate, run
from trimtab.engine.local import memory
from trimtab.engine.local.foreseen import foreseen
from trimtab.engine.local.memory import first_guess, halving, out_of_memory, release
from trimtab.engine.local.session import Session
from trimtab.errors import NotEnoughMemoryError, UsageError
from trimtab.models import Model

FORMS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("HIP out of memory. Tried to allocate 1.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)"),
    RuntimeError("Invalid buffer size: 20.00 GB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: error 12"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("bad allocation"),
    RuntimeError("could not create a primitive"),
    OSError(12, "Cannot allocate memory"),
    MemoryError(),
]


@pytest.fixture(autouse=True)
def _forget(model: Model):
    model.forget_media()
    Session.of(model).batch_size = None
    yield
    Session.of(model).batch_size = None


@pytest.fixture
def with_room_for(model: Model, monkeypatch: pytest.MonkeyPatch):
    """Let the decoder take so many rows at once and raise an error for more."""
    decode = model.decode

    def limit(rows: int, error: BaseException) -> None:
        def decode_few(embeds: torch.Tensor, *args, **kwargs):
            if len(embeds) > rows:
                raise error
            return decode(embeds, *args, **kwargs)

        monkeypatch.setattr(model, "decode", decode_few)

    return limit


@pytest.mark.parametrize("error", FORMS, ids=lambda e: f"{type(e).__name__} {e}"[:50])
def test_every_form_halves_the_batch_and_changes_nothing(model, with_room_for, error):
    prompts = varied_prompts()[:3]
    expected = generate(model, prompts, max_new_tokens=2).tokens
    with_room_for(1, error)
    assert generate(model, prompts, max_new_tokens=2).tokens == expected
    assert Session.of(model).batch_size == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("shape mismatch"), OSError(28, "No space left on device"), ValueError("out of memory")]
)
def test_other_errors_are_not_taken_for_it(error):
    assert not out_of_memory(error)


def test_an_error_raised_from_one_counts():
    outer = RuntimeError("the layer failed")
    outer.__cause__ = torch.OutOfMemoryError("CUDA out of memory")
    assert out_of_memory(outer)


def test_contrasts_are_halved_too(model, with_room_for):
    one, two = (Row(p) for p in varied_prompts()[:2])
    contrasts = [Contrast((one, two), (1.5, -0.5)), Contrast((two, one), (1.5, -0.5))]
    expected = generate(model, contrasts, max_new_tokens=2).tokens
    with_room_for(2, torch.OutOfMemoryError("CUDA out of memory"))
    assert generate(model, contrasts, max_new_tokens=2).tokens == expected


def test_a_cpu_computes_no_more_positions_at_once_than_gain_from_it(model, monkeypatch):
    prompts = varied_prompts()
    contrasts = [Contrast((Row(one), Row(two)), (1.5, -0.5)) for one, two in itertools.pairwise(prompts)]

    def all_of_it() -> tuple:
        answers = generate(model, [*prompts, *contrasts], max_new_tokens=3)
        return run(model, prompts).logits, answers.tokens, answers.cost.passes, list(foreseen(model, prompts))

    logits, tokens, passes, batches = all_of_it()
    monkeypatch.setattr(memory, "WIDEST_BYTES", 4 * model.text_config.intermediate_size * 80)
    fewer_logits, fewer_tokens, more_passes, more_batches = all_of_it()
    assert torch.allclose(fewer_logits, logits, atol=1e-5)
    assert fewer_tokens == tokens
    assert more_passes > passes
    assert len(more_batches) > len(batches)


def test_remembered_pictures_are_given_up_before_the_batch_is_halved(model, caplog):
    prompts = varied_prompts()
    run(model, prompts)
    assert model.remembered_bytes > 0

    def work(start: int, end: int) -> list[int]:
        if model.remembered_bytes:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(start, end))

    with caplog.at_level(logging.WARNING):
        assert [(start, end) for start, end, _ in halving(model, 4, 7, work)] == [(0, 4), (4, 7)]
    assert Session.of(model).batch_size is None
    assert not caplog.records


def test_halving_goes_on_with_smaller_batches(model, caplog):
    def work(start: int, end: int) -> list[int]:
        if end - start > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(start, end))

    with caplog.at_level(logging.WARNING):
        done = [r for _, _, part in halving(model, 16, 10, work) for r in part]
    assert done == list(range(10))
    assert (Session.of(model).batch_size or 4) <= 3
    assert "going on with batches of" in caplog.text


def test_a_failed_batch_holds_no_tensor_when_the_next_one_begins(model):
    alive: list[bool] = []

    class Large(torch.Tensor):
        def __del__(self):
            alive.remove(True)

    def work(start: int, end: int) -> int:
        assert not alive, "the failed batch still holds its tensors"
        if end - start > 1:
            held = torch.zeros(3).as_subclass(Large)
            alive.append(True)
            raise torch.OutOfMemoryError(f"CUDA out of memory {len(held)}")
        return start

    assert [r for _, _, r in halving(model, 4, 4, work)] == [0, 1, 2, 3]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps what is freed")
def test_what_is_freed_goes_back_to_the_system():
    begun = psutil.Process().memory_info().rss
    pairs = [(torch.ones(2**18), torch.ones(2**13)) for _ in range(200)]
    kept = [small for _, small in pairs]  # each keeps what lies below it from going back by itself
    del pairs
    release()
    assert psutil.Process().memory_info().rss - begun < 5e7 > sum(small.nbytes for small in kept)


def test_a_row_that_does_not_fit_is_named_with_numbers_and_remedies(model, with_room_for):
    with_room_for(0, torch.OutOfMemoryError("CUDA out of memory"))
    message = r"`rows` must fit .* a row of \d+ tokens, \d+ of them of pictures.* GB free on cpu.*smaller max_pixels"
    with pytest.raises(NotEnoughMemoryError, match=message):
        generate(model, varied_prompts()[:2])


def test_a_row_run_plainly_that_does_not_fit_is_named_too(model, monkeypatch):
    def forward(*_args, **_kwargs):
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr(model.lm_head, "forward", forward)
    for ask in (run, generate):
        with pytest.raises(NotEnoughMemoryError, match=r"`rows` must fit into memory one by one; a row of \d+ tokens"):
            ask(model, varied_prompts()[:1], reuse=False)


@pytest.mark.parametrize("rows", [0, -2, 1.5, True, "2"])
def test_a_fixed_batch_size_is_a_number_of_rows(model, rows):
    with pytest.raises(UsageError, match="`size` of batches_of must be at least 1"), batches_of(model, rows):
        pass
    assert Session.of(model).batch_size is None


def test_other_errors_pass_through_halving(model):
    def wrong(_start: int, _end: int) -> None:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape"):
        list(halving(model, 4, 4, wrong))


def test_guess_shrinks_with_length(model):
    assert 1 <= first_guess(model, 10**9) < first_guess(model, 64)


def test_guess_counts_tables_of_attention_and_the_vision_tower(model, monkeypatch):
    monkeypatch.setattr("trimtab.engine.local.memory.free_bytes", lambda _device: 3 * 10**7)
    plain = first_guess(model, 300)
    assert first_guess(model, 300, scores=True) < plain
    assert first_guess(model, 300, picture=16_000) < plain
