"""Models on the GPU. Without CUDA nothing in this folder is run."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

import trimtab as tt
from trimtab.engine.local.session import Session
from trimtab.testing import PLANTED_FAMILIES, tiny_model

HERE = Path(__file__).parent
POCKET = ("pocket-qwen", "pocket-llava")
TINY = tuple(f"tiny-{family}" for family in PLANTED_FAMILIES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip this folder's tests, and no others, where there is no CUDA."""
    if torch.cuda.is_available():
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="there is no CUDA here"))


@pytest.fixture(autouse=True)
def _float32_is_float32() -> Iterator[None]:
    """Let convolutions of the vision tower compute in float32; by default a GPU rounds their inputs to TF32."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield


@cache
def model_on(name: str, device: str = "cuda", dtype: torch.dtype = torch.float32) -> tt.Model:
    """Return a tiny or a bundled model by name, made once for each place and type; do not change it."""
    if name in POCKET:
        return tt.load(name, device=device, dtype=dtype)
    model = tiny_model(name.removeprefix("tiny-"), check=False)
    model.hf.to(device=device, dtype=dtype)
    model.forget_parts()
    return model


@pytest.fixture(params=TINY)
def tiny(request: pytest.FixtureRequest) -> Iterator[tt.Model]:
    """A tiny model of each family on the GPU, in float32."""
    model = model_on(request.param)
    yield model
    model.forget_media()
    Session.of(model).batch_size = None
