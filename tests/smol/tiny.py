"""A tiny Llama in a GGUF file as llama.cpp writes it, and eyes for it."""

import hashlib
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import LlamaConfig, LlavaForConditionalGeneration

from trimtab.smol import llava_config

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<own{n}>" for n in range(3, 11)), "<jupyter_start>"]
MERGES = ["Ġ t", "h e", "Ġt he", "i n", "Ġ Ġ", "1 2"]
TOKENS = [*SPECIAL, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]
RANK, SCALE = 4, 2.0
KEY_HEADS = 2
Q4, Q8, F32 = (getattr(gguf.GGMLQuantizationType, kind) for kind in ("Q4_1", "Q8_0", "F32"))
KINDS = {
    "input_layernorm": ("attn_norm", F32),
    "post_attention_layernorm": ("ffn_norm", F32),
    "self_attn.q_proj": ("attn_q", Q4),
    "self_attn.k_proj": ("attn_k", Q8),
    "self_attn.v_proj": ("attn_v", Q4),
    "self_attn.o_proj": ("attn_output", Q4),
    "mlp.gate_proj": ("ffn_gate", Q4),
    "mlp.up_proj": ("ffn_up", Q8),
    "mlp.down_proj": ("ffn_down", F32),
}
CONFIG = LlamaConfig(
    vocab_size=len(TOKENS),
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=KEY_HEADS,
    max_position_embeddings=512,
    rms_norm_eps=1e-5,
    rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=2,
    tie_word_embeddings=True,
)


def llava() -> LlavaForConditionalGeneration:
    """A random model of the shape of smol-llava, on a tiny language model."""
    torch.manual_seed(1)
    model = LlavaForConditionalGeneration(llava_config(CONFIG)).float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def write_gguf(path: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write the weights of a language model, quantised; return them as they are after that, by the same names."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(CONFIG.num_hidden_layers)
    writer.add_context_length(CONFIG.max_position_embeddings)
    writer.add_embedding_length(CONFIG.hidden_size)
    writer.add_feed_forward_length(CONFIG.intermediate_size)
    writer.add_head_count(CONFIG.num_attention_heads)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(CONFIG.rms_norm_eps)
    writer.add_rope_freq_base(100000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in TOKENS])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    after = {}
    for name, weight in weights.items():
        stored, kind = _stored(name)
        after[name] = torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), kind), kind))
        data = gguf.quants.quantize(_paired(stored, weight.numpy()), kind)
        writer.add_tensor(stored, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return after


def write_eyes(path: Path, model: LlavaForConditionalGeneration, language_sha256: str, format: str = "1") -> Path:
    """Write a model's tower and projector, and a random adapter."""
    tensors = {f"vision_tower.{name}": value for name, value in model.model.vision_tower.state_dict().items()}
    tensors |= {
        f"multi_modal_projector.{name}": value for name, value in model.model.multi_modal_projector.state_dict().items()
    }
    for name, weight in language_weights(model).items():
        if name.endswith("_proj.weight"):
            linear = f"adapter.{name.removesuffix('.weight')}"
            tensors[f"{linear}.down"] = torch.randn(RANK, weight.shape[1]) / weight.shape[1] ** 0.5
            tensors[f"{linear}.up"] = 0.1 * torch.randn(weight.shape[0], RANK)
    said = {"format": format, "scale": str(SCALE), "language_sha256": language_sha256}
    save_file({name: value.bfloat16() for name, value in tensors.items()}, path, metadata=said)
    return path


def language_weights(model: LlavaForConditionalGeneration) -> dict[str, Tensor]:
    """The language model's weights by their names in it."""
    return {name: value.detach() for name, value in model.model.language_model.state_dict().items()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stored(name: str) -> tuple[str, gguf.GGMLQuantizationType]:
    """The name of a tensor in the file, and how it is quantised there."""
    outside = {"embed_tokens.weight": ("token_embd.weight", Q8), "norm.weight": ("output_norm.weight", F32)}
    if name in outside:
        return outside[name]
    _, layer, inside = name.split(".", 2)
    kind, quantised = KINDS[inside.removesuffix(".weight")]
    return f"blk.{layer}.{kind}.weight", quantised


def _paired(stored: str, weight: np.ndarray) -> np.ndarray:
    """Put rows that rotary positions turn together side by side, row by row as llama.cpp's converter means it."""
    heads = {"attn_q": CONFIG.num_attention_heads, "attn_k": KEY_HEADS}
    if (kind := stored.split(".")[-2]) not in heads:
        return weight
    size = len(weight) // heads[kind]
    first = [head * size + place for head in range(heads[kind]) for place in range(size // 2)]
    return weight[[row for one in first for row in (one, one + size // 2)]]
