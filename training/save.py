"""From a training state to a checkpoint folder that `transformers` loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from training import tokenizer
from training.architecture import build
from trimtab.pocket.scene import SIDE


def save(name: str, state: Path, folder: Path) -> None:
    """Write weights, rounded to bfloat16, with configuration, tokenizer and image processor.

    Args:
        name: "pocket-qwen" or "pocket-llava".
        state: A `state.pt` of a language stage; the last is "finish".
        folder: Where to write.
    """
    model = build(name)
    model.load_state_dict(torch.load(state, weights_only=True)["modules"]["model"])
    write(name, model, folder)


def write(name: str, model: Any, folder: Path) -> None:
    """Write a model as a checkpoint folder; its weights are rounded to bfloat16."""
    words = tokenizer.bundled_or_new(name)
    model = model.to(torch.bfloat16)
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=16,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    _image_processor(name).save_pretrained(folder)
    if name == "pocket-llava":
        (folder / "processor_config.json").write_text(f"{json.dumps(_counting(model.config), indent=2)}\n")


def _counting(config: Any) -> dict[str, Any]:
    """By what transformers' own processor counts a picture's positions; Qwen's needs no more than its parts."""
    return {
        "processor_class": "LlavaProcessor",
        "patch_size": config.vision_config.patch_size,
        "num_additional_image_tokens": 1,
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
    }


def _image_processor(name: str) -> Qwen2VLImageProcessorPil | CLIPImageProcessorPil:
    if name == "pocket-qwen":
        return Qwen2VLImageProcessorPil(size={"shortest_edge": SIDE**2, "longest_edge": SIDE**2})
    square = {"height": SIDE, "width": SIDE}
    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square)
