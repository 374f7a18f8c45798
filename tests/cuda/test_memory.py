"""Real out-of-memory errors: pictures are given up, batches halved, and no answer is lost or changed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

import trimtab as tt
from trimtab.engine.local.session import Session
from trimtab.engine.local.whitebox import attention
from trimtab.errors import NotEnoughMemoryError
from trimtab.testing import picture, tiny_model

MB = 2**20


@contextmanager
def only(free: int) -> Iterator[None]:
    """Leave the model so many bytes of the device, by taking all others with plain allocations."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    kept = [torch.empty(max(0, torch.cuda.mem_get_info()[0] - free), dtype=torch.uint8, device="cuda")]
    try:
        yield
    finally:
        kept.clear()
        torch.cuda.empty_cache()


@pytest.fixture
def wide() -> tt.Model:
    """A model whose rows take megabytes each: long prompts, eager attention over all of their tokens."""
    made = tiny_model("qwen2_5_vl", check=False)
    made.hf.to("cuda")
    made.forget_parts()
    return made


def prompts(words: int = 300, n: int = 48) -> list[tt.Prompt]:
    """Prompts that share nothing, so each is a row of its own length."""
    context = "two cats play with a ball in the garden "
    return [tt.Prompt("What is it?", (picture(i, (112, 112)),), f"{i} " + context * (words // 9)) for i in range(n)]


def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost(wide: tt.Model, caplog: pytest.LogCaptureFixture):
    asked = prompts()
    with attention(wide, "eager"):
        expected = tt.run(wide, asked, batch_size=4)
        answers = tt.generate(wide, asked, max_new_tokens=3, batch_size=4).tokens
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        with caplog.at_level(logging.WARNING), only(192 * MB):
            found = tt.run(wide, asked, batch_size=48)
            assert "Out of memory at" in caplog.text
            assert 1 <= (Session.of(wide).batch_size or 48) < 48
            Session.of(wide).batch_size = None
            again = tt.generate(wide, asked, max_new_tokens=3, batch_size=48).tokens
    scale = float(expected.logits.abs().max())
    assert (found.logits - expected.logits).abs().max() < 1e-4 * scale
    assert again == answers
    assert found.cost.rows == len(asked)


def test_pictures_are_given_up_before_a_batch_is_halved(wide: tt.Model, monkeypatch: pytest.MonkeyPatch):
    asked = prompts(n=8)
    expected = tt.run(wide, asked).logits
    assert wide.remembered_bytes > 0
    seen: list[int] = []
    give_up = wide.give_up_media

    def spy() -> int:
        seen.append(give_up())
        return seen[-1]

    monkeypatch.setattr(wide, "give_up_media", spy)
    taken: list[torch.Tensor] = []
    decode = wide.decode

    def once(*args, **kwargs) -> torch.Tensor:
        """Ask for more than the device has, as another process might have taken it, the first time alone."""
        if not taken:
            taken.append(torch.empty(1))
            torch.empty(2 * torch.cuda.mem_get_info()[1], dtype=torch.uint8, device="cuda")
        return decode(*args, **kwargs)

    monkeypatch.setattr(wide, "decode", once)
    assert (tt.run(wide, asked).logits - expected).abs().max() < 1e-4 * expected.abs().max()
    assert seen
    assert seen[0] > 0
    assert Session.of(wide).batch_size is None


def test_a_row_that_does_not_fit_by_itself_is_named(wide: tt.Model):
    long = prompts(words=2000, n=1)
    with (
        attention(wide, "eager"),
        only(24 * MB),
        pytest.raises(NotEnoughMemoryError, match=r"a row of [\d,]+ tokens.* GB free on cuda"),
    ):
        tt.run(wide, long)
    with attention(wide, "eager"):
        assert tt.run(wide, long).logits.isfinite().all()


def test_the_first_guess_fills_the_device_without_an_error(wide: tt.Model, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING), attention(wide, "eager"), only(2048 * MB):
        tt.run(wide, prompts())
    assert "Out of memory" not in caplog.text
