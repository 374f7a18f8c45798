"""The tiny stand-in for SmolLM2 and its eyes, written once."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from torch import Tensor
from transformers import LlavaForConditionalGeneration

import tests.smol.tiny as tiny


@dataclass(frozen=True)
class Stand:
    """A language model's file, what its weights are after quantising, eyes for it, and the model they come from."""

    gguf: Path
    sha256: str
    weights: dict[str, Tensor]
    eyes: Path
    model: LlavaForConditionalGeneration


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    home = tmp_path_factory.mktemp("smol")
    model = tiny.llava()
    after = tiny.write_gguf(home / "tiny.gguf", tiny.language_weights(model))
    sha256 = tiny.digest(home / "tiny.gguf")
    return Stand(home / "tiny.gguf", sha256, after, tiny.write_eyes(home / "eyes.safetensors", model, sha256), model)
