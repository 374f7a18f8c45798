"""``realistic_checkpoint``: a folder as released ones are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from trimtab.errors import UsageError
from trimtab.models import DTYPES
from trimtab.testing.realistic.published import RELEASES, Made
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
    weights: bool = True,
) -> Path:
    """Write a folder laid out as a released checkpoint is, with random weights and few layers.

    Configuration keys, tensor names, shards with their index, tokenizer, image processor, chat template and decoding
    settings are those of the published files, so what fails on a published checkpoint before its weights matter fails
    here too, without a download. Maps keep the size of what they are given: states and logits are finite and near 1.
    The tokenizer learns its merges from this package's prose and is then filled up to the released number of pieces.

    Args:
        folder: Where to write; made if it is not there.
        release: A key of ``RELEASES``, such as ``qwen2.5-vl-7b`` or ``llava-1.5-7b``.
        dtype: Type of the weights, ``bfloat16``, ``float16`` or ``float32``; the published one if left out.
        tied: Whether the unembedding is the embedding, as in Qwen2.5-VL-3B; as published if left out. It can be chosen
            where releases of a family differ in it.
        shards: Files the weights are cut into, which are made one after another: no more than one is in memory.
        image_processor: Class named in ``preprocessor_config.json``; the published one if left out.
            ``Qwen2_5_VLImageProcessor`` is what early Qwen2.5-VL files name.
        sizes: Fields of ``Sizes`` to change, such as ``{"layers": 4}`` or ``SMALL``. Left out, there are 2 layers of
            the released width, which is 3 GB for ``qwen2.5-vl-7b``.
        seed: Seed of the weights.
        weights: Whether weights are written; without them the folder is for a model that is made in memory.

    Returns:
        The folder, for ``trimtab.load``.

    Raises:
        UsageError: There is no such release, type or size, or sizes do not fit together.
    """
    made = _asked(release, dtype, tied, shards, sizes or {})
    files = dict(made.release.family.files(made))
    if image_processor:
        files["preprocessor_config.json"]["image_processor_type"] = image_processor
    files |= tokenizer_files(made.tokens, made.plain)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, held in files.items():
        text = held if isinstance(held, str) else json.dumps(held, indent=2, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    if weights:
        write_weights(folder, made, shards, seed)
    return folder


def _asked(name: str, dtype: str | None, tied: bool | None, shards: int, sizes: Mapping[str, int]) -> Made:
    """Return what is to be made.

    Raises:
        UsageError: It cannot be.
    """
    release = RELEASES.named(name)
    if dtype and dtype not in DTYPES:
        raise UsageError(f"`dtype` of realistic_checkpoint must be one of {', '.join(DTYPES)}; got {dtype!r}.")
    ways = {other.tied for other in RELEASES.values() if other.family is release.family}
    if tied is not None and tied not in ways:
        raise UsageError(
            f"`tied` of realistic_checkpoint must be {release.tied} for {release.family.name}, as in all its published "
            f"files; got {tied}; leave it out."
        )
    if shards < 1:
        raise UsageError(f"`shards` of realistic_checkpoint must be at least 1; got {shards}.")
    tied = release.tied if tied is None else tied
    return Made(release, release.sizes.changed(sizes), dtype or release.dtype, tied)
