"""A GGUF file becomes a plain folder: the same weights, the same tokens."""

from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.smol.conftest import Stand
from tests.smol.tiny import CONFIG, TOKENS
from trimtab.errors import UsageError
from trimtab.smol import IMAGE_TOKEN, IMAGE_TOKEN_ID, convert


@pytest.fixture(scope="module")
def folder(stand: Stand, tmp_path_factory: pytest.TempPathFactory):
    return convert(stand.gguf, tmp_path_factory.mktemp("language") / "tiny", sha256=stand.sha256)


def test_weights_are_the_dequantised_ones_in_bfloat16(stand: Stand, folder):
    held = load_file(folder / "model.safetensors")
    assert {name.removeprefix("model.") for name in held} == set(stand.weights)
    for name, weight in stand.weights.items():
        assert torch.equal(held[f"model.{name}"], weight.bfloat16()), name


def test_transformers_loads_it_as_the_model_it_was(folder):
    hf, info = cast(Any, AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True))
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert hf.get_output_embeddings().weight is hf.get_input_embeddings().weight
    for name in ("hidden_size", "intermediate_size", "num_key_value_heads", "rms_norm_eps", "rope_parameters"):
        assert getattr(hf.config, name) == getattr(CONFIG, name), name
    assert (hf.config.bos_token_id, hf.config.eos_token_id, hf.config.pad_token_id) == (1, 2, 2)


def test_tokenizer_splits_digits_and_keeps_special_tokens_whole(folder):
    words = AutoTokenizer.from_pretrained(folder)
    assert words.is_fast
    assert len(words) == len(TOKENS)
    assert words.convert_tokens_to_ids(IMAGE_TOKEN) == IMAGE_TOKEN_ID
    assert words.tokenize(" the  12") == ["Ġthe", "ĠĠ", "1", "2"]
    assert words.tokenize(f"<|im_start|>in{IMAGE_TOKEN}<|im_end|>") == ["<|im_start|>", "in", IMAGE_TOKEN, "<|im_end|>"]
    text = "été  \n\t 日本 <|im_end|> the 12"
    assert words.decode(words(text).input_ids) == text
    assert (words.bos_token, words.eos_token, words.pad_token) == ("<|im_start|>", "<|im_end|>", "<|im_end|>")


def test_another_file_is_refused_in_one_sentence(stand: Stand, tmp_path):
    with pytest.raises(UsageError, match=r"`gguf` must be the file that smol-llava's eyes were trained for.*make smol"):
        convert(stand.gguf, tmp_path / "out")
    assert not (tmp_path / "out").exists()
