"""The families that trimtab knows, a file each; importing the package registers them."""

from trimtab.models.families import idefics3, llava, qwen2_5_vl, qwen2_vl, qwen3_vl

__all__ = ["idefics3", "llava", "qwen2_5_vl", "qwen2_vl", "qwen3_vl"]
