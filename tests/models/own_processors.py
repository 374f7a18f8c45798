"""The text that each family's own processor puts in a picture's place, asked of its class in transformers.

The classes want torchvision or a video processor to be made, but not to say this; so they are left unmade, and the one
whose file cannot be imported without torchvision is read from its file.
"""

import ast
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import transformers
from PIL.Image import Image

from trimtab.models import Model

OWN: dict[str, tuple[str, str]] = {
    "idefics3": ("idefics3", "Idefics3Processor"),
    "smolvlm": ("smolvlm", "SmolVLMProcessor"),
    "internvl": ("internvl", "InternVLProcessor"),
    "mistral3": ("pixtral", "PixtralProcessor"),
    "glm4v": ("glm4v", "Glm4vProcessor"),
    "aya_vision": ("aya_vision", "AyaVisionProcessor"),
    "cohere2_vision": ("cohere2_vision", "Cohere2VisionProcessor"),
    "paligemma": ("paligemma", "PaliGemmaProcessor"),
    "gemma3": ("gemma3", "Gemma3Processor"),
    "qwen3_vl_moe": ("qwen3_vl", "Qwen3VLProcessor"),
    "qwen3_5": ("qwen3_vl", "Qwen3VLProcessor"),
    "qwen3_5_moe": ("qwen3_vl", "Qwen3VLProcessor"),
    "llava_next": ("llava_next", "LlavaNextProcessor"),
    "llava_onevision": ("llava_onevision", "LlavaOnevisionProcessor"),
}
"""For each family, a package of transformers and the class of its processor."""


def own_texts(model: Model, pictures: list[Image]) -> list[str]:
    """What the processor's class writes for each of several pictures that one prompt shows."""
    package, name = OWN[model.family.name]
    said, options, unmade = _class(package, name)
    vars(unmade).update(vars(_facts(model)))
    facts = unmade
    facts.patch_size *= 2 if package == "aya_vision" else 1
    if package == "cohere2_vision":
        facts.patch_size = model.image_processor.patch_size
    if package == "paligemma":
        facts.image_seq_length = model.image_processor.image_seq_length
    if package == "pixtral":
        options = {**options, "patch_size": facts.patch_size * facts.spatial_merge_size}
    images = [pictures] if model.family.company else pictures
    inputs = model.image_processor(images=images, **{**options, "return_tensors": "pt"})
    return [said(facts, inputs, index) for index in range(len(pictures))]


def _class(package: str, name: str) -> tuple[Any, dict[str, Any], Any]:
    """The function that writes a picture's text, what the class says to the image processor, and an unmade one."""
    try:
        kind = getattr(import_module(f"transformers.models.{package}.processing_{package}"), name)
    except ImportError:
        file = Path(transformers.__file__).parent / "models" / package / f"processing_{package}.py"
        [body] = [n.body for n in ast.parse(file.read_text()).body if isinstance(n, ast.ClassDef) and n.name == name]
        [method] = [n for n in body if isinstance(n, ast.FunctionDef) and n.name == "replace_image_token"]
        found: dict[str, Any] = {}
        exec(compile(ast.Module([method], []), str(file), "exec"), found)  # noqa: S102
        return found["replace_image_token"], {}, SimpleNamespace()
    return kind.replace_image_token, getattr(kind, "images_kwargs", {}), kind.__new__(kind)


def _facts(model: Model) -> SimpleNamespace:
    """What a released processor_config.json and tokenizer say."""
    token = model.tokenizer.convert_ids_to_tokens(model.placeholders["image"])
    return SimpleNamespace(
        image_processor=model.image_processor,
        img_size=28,
        img_patch_token=token,
        start_of_img_token="<|START_OF_IMG|>",
        end_of_img_token="<|END_OF_IMG|>",
        boi_token="<|START_OF_IMG|>",
        eoi_token="<|END_OF_IMG|>",
        img_line_break_token="<|IMG_LINE_BREAK|>",
        tile_token="TILE",
        tile_global_token="TILE_GLOBAL",
        image_token=token,
        fake_image_token="<fake_token_around_image>",
        global_image_tag="<global-img>",
        global_image_token="<global-img>",
        image_seq_len=4,
        image_seq_length=4,
        start_image_token="<img>",
        end_image_token="</img>",
        image_break_token="[IMG_BREAK]",
        image_end_token="[IMG_END]",
        patch_size=7,
        spatial_merge_size=2,
        num_image_tokens=16,
        num_additional_image_tokens=1,
        vision_feature_select_strategy=getattr(model.hf.config, "vision_feature_select_strategy", None),
        vision_aspect_ratio=getattr(model.hf.config, "vision_aspect_ratio", None),
        full_image_sequence=f"\n\n<start_of_image>{token * 4}<end_of_image>\n\n",
    )
