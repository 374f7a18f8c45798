"""Writes a model as published checkpoints are, for programs that read them by their published names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trimtab.errors import UnsupportedModelError
from trimtab.models.model import Model
from trimtab.models.processors import save_processors

LLAVA_TOWER = ("vision_tower.", "vision_tower.vision_model.")
"""What transformers writes before a tensor of LLaVA's vision tower, and what its published checkpoints have."""


def write_published(model: Model, folder: Path) -> Path:
    """Write a loaded model, adapters merged, under the names that published checkpoints of its family have.

    Args:
        model: A model of the family ``llava`` or ``qwen2_5_vl``.
        folder: A new or empty folder.

    Returns:
        The folder.

    Raises:
        UnsupportedModelError: The family is another one.
    """
    about = _about(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.hf.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    save_processors(model.processors, folder)
    (folder / "chat_template.jinja").write_text(model.chat_template, encoding="utf-8")
    (folder / "processor_config.json").write_text(json.dumps(about, indent=2), encoding="utf-8")
    if model.family.name == "llava":
        for file in folder.glob("*.safetensors"):
            _rename(file, *LLAVA_TOWER)
        index = folder / "model.safetensors.index.json"
        if index.is_file():
            held = json.loads(index.read_text(encoding="utf-8"))
            held["weight_map"] = {_published(k, *LLAVA_TOWER): file for k, file in held["weight_map"].items()}
            index.write_text(json.dumps(held), encoding="utf-8")
    return folder


def _about(model: Model) -> dict[str, Any]:
    """Return what the family's processor is, beside the processors of its media."""
    if model.family.name == "qwen2_5_vl":
        return {"processor_class": "Qwen2_5_VLProcessor"}
    if model.family.name != "llava":
        raise UnsupportedModelError(
            f"`model` of write_published must be of family llava or qwen2_5_vl; {model.name} is of family "
            f"{model.family.name}; serve the folder that it was published in."
        )
    config: Any = model.hf.config
    return {
        "processor_class": "LlavaProcessor",
        "patch_size": config.vision_config.patch_size,
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "num_additional_image_tokens": 1,
        "image_token": model.tokenizer.convert_ids_to_tokens(config.image_token_index),
    }


def _rename(file: Path, stored: str, published: str) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {_published(name, stored, published): tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def _published(name: str, stored: str, published: str) -> str:
    known = name.startswith(published) or not name.startswith(stored)
    return name if known else published + name.removeprefix(stored)
