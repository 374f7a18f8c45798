"""Other attention inside a block: the whole model's, or the decoder's alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trimtab.engine.local.session import Session
from trimtab.models import Model


@contextmanager
def attention(model: Model, implementation: str) -> Iterator[None]:
    """Use another attention implementation (``"sdpa"``, ``"eager"``) inside the block; other threads wait."""
    hf = model.hf
    with Session.of(model).lock:
        before = model.text_config._attn_implementation
        hf.set_attn_implementation(model.family.attending(hf.config, implementation))
        try:
            yield
        finally:
            hf.set_attn_implementation(model.family.attending(hf.config, before))


@contextmanager
def decoder_attention(model: Model, implementation: str) -> Iterator[None]:
    """Have the decoder, and it alone, attend by another implementation that transformers knows, inside the block."""
    before = model.text_config._attn_implementation
    model.text_config._attn_implementation = implementation
    try:
        yield
    finally:
        model.text_config._attn_implementation = before
