"""Architectures that no family's file can describe, each with its reason; they are refused before a weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CROSS = "its pictures enter by layers of cross-attention and take no positions in the prompt"
LATENT = "its attention is latent: the cache holds one compressed state for all heads, not the keys and values of each"
ENCODER = "it is an encoder with a decoder: pictures and question are not in the sequence that is answered in"
OWN_CODE = "transformers has no code for it; its checkpoints bring their own, which trimtab never runs"

REFUSED: Mapping[str, str] = {
    "mllama": CROSS,
    "idefics": CROSS,
    "kimi_k25": LATENT,
    "florence2": ENCODER,
    "t5gemma2": ENCODER,
    "udop": ENCODER,
    "pix2struct": ENCODER,
    "got_ocr2": "its class refuses the attention sdpa, and it transcribes pages: it takes no question",
    "kimi_vl": OWN_CODE,
    "molmo": OWN_CODE,
    "phi3_v": OWN_CODE,
    "deepseek_vl_v2": OWN_CODE,
    "internvl_chat": f"{OWN_CODE}; the same model's release for transformers, whose name ends in -hf, loads",
}
"""Reasons by ``model_type``."""

LATENT_SIZE = "kv_lora_rank"
"""What a configuration calls the width of a latent attention's cache; others lack it."""


def refusal(config: Mapping[str, Any]) -> str | None:
    """Return why a configuration's model cannot be loaded; None if nothing is known against it.

    Latent attention is seen in the text model's configuration, whatever the family: some have releases of both kinds.

    Args:
        config: What ``config.json`` holds.
    """
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in REFUSED:
        return REFUSED[kind]
    text = config.get("text_config")
    parts = (config, text if isinstance(text, Mapping) else {})
    return LATENT if any(part.get(LATENT_SIZE) for part in parts) else None
