"""A LLaVA checkpoint from SmolLM2 and its eyes: tower, projector and a low-rank change to the language model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trimtab.errors import UsageError
from trimtab.files import write_folder
from trimtab.pocket.scene import SIDE
from trimtab.smol.language import MADE_FROM
from trimtab.smol.words import IMAGE_TOKEN_ID

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlavaConfig

PATCH = 16
FORMAT = "1"
"""What ``eyes.safetensors`` says of how it is laid out."""
AGAIN = "train them again with this version, or install trimtab again"

_EYES = ("vision_tower.", "multi_modal_projector.")
_ADAPTER = "adapter."
_WORDS = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def llava_config(text_config: LlamaConfig) -> LlavaConfig:
    """Return the configuration of SmolLM2 with eyes; the tower is as pocket-llava's.

    Args:
        text_config: The language model's.
    """
    from transformers import CLIPVisionConfig, LlavaConfig

    return LlavaConfig(
        architectures=["LlavaForConditionalGeneration"],
        dtype="bfloat16",
        text_config=text_config,
        vision_config=CLIPVisionConfig(
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=5,
            num_attention_heads=6,
            image_size=SIDE,
            patch_size=PATCH,
            projection_dim=text_config.hidden_size,
        ),
        image_token_index=IMAGE_TOKEN_ID,
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )


def image_processor() -> Any:
    """Return what turns a picture into the tower's pixels."""
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def assemble(language: Path, eyes: Path, folder: Path) -> Path:
    """Write a plain LLaVA checkpoint; a folder that was there is replaced whole.

    Args:
        language: What ``convert`` wrote.
        eyes: Safetensors of ``vision_tower.*``, ``multi_modal_projector.*`` and ``adapter.*``. For each linear map of
            the language model that it changes, the adapter has ``down`` (rank x inputs) and ``up`` (outputs x rank).
        folder: Where to.

    Returns:
        The folder.

    Raises:
        UsageError: The eyes are of another format, or were trained for other weights.
        RunFolderError: The folder cannot be written.
    """
    from safetensors.torch import load_file, save
    from transformers import GenerationConfig, LlamaConfig

    weights, seeing = load_file(language / "model.safetensors"), load_file(eyes)
    scale = _check(eyes, language)
    _merge(weights, seeing, scale)
    text = LlamaConfig.from_pretrained(language)
    greedy = GenerationConfig(
        do_sample=False,
        max_new_tokens=16,
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id,
    )
    tensors = {f"language_model.{name}": weight for name, weight in weights.items()}
    tensors |= {name: value.bfloat16() for name, value in seeing.items() if name.startswith(_EYES)}
    return write_folder(
        folder,
        {
            "config.json": llava_config(text).to_json_string().encode(),
            "generation_config.json": greedy.to_json_string().encode(),
            "preprocessor_config.json": image_processor().to_json_string().encode(),
            "model.safetensors": save(tensors, metadata={"format": "pt"}),
            **{name: (language / name).read_bytes() for name in _WORDS},
        },
    )


def _check(eyes: Path, language: Path) -> float:
    """Refuse eyes that do not go with the language model; return the scale of their adapter."""
    held, made_from = metadata(eyes), metadata(language / "model.safetensors")[MADE_FROM]
    if held.get("format") != FORMAT:
        raise UsageError(f"`eyes` must be of format {FORMAT}; {eyes} is of format {held.get('format')}; {AGAIN}.")
    if held.get("language_sha256") != made_from:
        raise UsageError(
            f"`eyes` must have been trained for the language model of SHA-256 {made_from[:12]}...; those of {eyes} "
            f"were for {str(held.get('language_sha256'))[:12]}...; {AGAIN}."
        )
    return float(held["scale"])


def metadata(file: Path) -> dict[str, str]:
    """Return what a file of safetensors says of itself."""
    with file.open("rb") as stream:
        return json.loads(stream.read(int.from_bytes(stream.read(8), "little"))).get("__metadata__", {})


def _merge(weights: dict[str, Tensor], seeing: dict[str, Tensor], scale: float) -> None:
    """Add the adapter to the weights it changes, in float32: W + scale * up @ down, stored in W's own type."""
    for name, down in seeing.items():
        if name.startswith(_ADAPTER) and name.endswith(".down"):
            linear = name.removesuffix(".down")
            target = f"model.{linear.removeprefix(_ADAPTER)}.weight"
            up = seeing[f"{linear}.up"].float()
            changed = torch.addmm(weights[target].float(), up, down.float(), alpha=scale)
            weights[target] = changed.to(weights[target].dtype)
