"""The families that trimtab knows, a file each; importing the package registers them."""

from trimtab.models.families import llava, qwen2_5_vl, qwen2_vl, qwen3_vl

__all__ = ["llava", "qwen2_5_vl", "qwen2_vl", "qwen3_vl"]
