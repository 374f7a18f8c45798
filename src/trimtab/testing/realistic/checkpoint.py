"""``realistic_checkpoint``: a folder as released ones are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from trimtab.errors import UsageError
from trimtab.models import DTYPES
from trimtab.testing.realistic.configs import config_files, tokenizer_config
from trimtab.testing.realistic.releases import RELEASES, Release
from trimtab.testing.realistic.templates import TEMPLATES
from trimtab.testing.realistic.vocabulary import tokenizer_files
from trimtab.testing.realistic.weights import write_weights


def realistic_checkpoint(
    folder: str | Path,
    release: str = "qwen2.5-vl-7b",
    *,
    dtype: str | None = None,
    tied: bool | None = None,
    shards: int = 2,
    image_processor: str | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Path:
    """Write a folder laid out as a released checkpoint is, with random weights and few layers.

    Configuration keys, tensor names, shards with their index, tokenizer, image processor, chat template and decoding
    settings are those of the published files, so what fails on a published checkpoint before its weights matter fails
    here too, without a download. Maps keep the size of what they are given: states and logits are finite and near 1.
    The tokenizer learns its merges from this package's prose and is then filled up to the released number of pieces.

    Args:
        folder: Where to write; made if it is not there.
        release: A key of ``RELEASES``: ``qwen2.5-vl-7b``, ``qwen2.5-vl-3b`` or ``llava-1.5-7b``.
        dtype: Type of the weights, ``bfloat16``, ``float16`` or ``float32``; the published one if left out.
        tied: Whether the unembedding is the embedding, as in Qwen2.5-VL-3B; as published if left out.
        shards: Files the weights are cut into, which are made one after another: no more than one is in memory.
        image_processor: Class named in ``preprocessor_config.json``; the published one if left out.
            ``Qwen2_5_VLImageProcessor`` is what early Qwen2.5-VL files name.
        sizes: Fields of ``Sizes`` to change, such as ``{"layers": 4}`` or ``SMALL``. Left out, there are 2 layers of
            the released width, which is 3 GB for ``qwen2.5-vl-7b``.
        seed: Seed of the weights.

    Returns:
        The folder, for ``trimtab.load``.

    Raises:
        UsageError: There is no such release, type or size, or sizes do not fit together.
    """
    import torch

    chosen = _release(release, dtype, tied, shards)
    dtype = dtype or chosen.dtype
    made = chosen.sizes.changed(sizes or {})
    template = TEMPLATES[chosen.family]
    tied = chosen.tied if tied is None else tied
    files = config_files(chosen, made, dtype, tied, image_processor or "")
    files["tokenizer_config.json"] = tokenizer_config(chosen, made, template)
    files["chat_template.json"] = {"chat_template": template}
    texts = {name: json.dumps(content, indent=2, ensure_ascii=False) for name, content in files.items()}
    texts |= tokenizer_files(chosen.family, made.vocabulary - chosen.spare)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    write_weights(folder, chosen.family, getattr(torch, dtype), shards, seed)
    return folder


def _release(name: str, dtype: str | None, tied: bool | None, shards: int) -> Release:
    """Return the release of a name, asked for as it can be made.

    Raises:
        UsageError: It cannot.
    """
    if name not in RELEASES:
        raise UsageError(f"`release` of realistic_checkpoint must be one of {', '.join(RELEASES)}; got {name!r}.")
    if dtype and dtype not in DTYPES:
        raise UsageError(f"`dtype` of realistic_checkpoint must be one of {', '.join(DTYPES)}; got {dtype!r}.")
    if tied and RELEASES[name].family == "llava":
        raise UsageError(
            "`tied` of realistic_checkpoint must be False for LLaVA, whose published files hold both tables; got True."
        )
    if shards < 1:
        raise UsageError(f"`shards` of realistic_checkpoint must be at least 1; got {shards}.")
    return RELEASES[name]
