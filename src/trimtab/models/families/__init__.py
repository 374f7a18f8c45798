"""The families that trimtab knows, a file each; importing the package registers them."""

from trimtab.models.families import (
    aya_vision,
    gemma3,
    glm4v,
    idefics3,
    internvl,
    llava,
    mistral3,
    qwen2_5_vl,
    qwen2_vl,
    qwen3_vl,
)

__all__ = [
    "aya_vision",
    "gemma3",
    "glm4v",
    "idefics3",
    "internvl",
    "llava",
    "mistral3",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_vl",
]
