"""Tokenizers of released kind and size: byte-pair merges learned from English, then filled up to a vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from trimtab.errors import UsageError

QWEN_SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
QWEN_MARKS = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>"),
)
"""Added to the vocabulary after the special tokens, and not special."""

LLAMA_START = ("<unk>", "<s>", "</s>")
LEARNED = 3000
"""Merges learned from text; the rest of a vocabulary is made up of them."""
SMALLEST = 600

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where Qwen's byte-level tokenizer cuts text before merging: words with their space, single digits."""


def qwen_ids(plain: int) -> dict[str, int]:
    """Return the ids of Qwen's added tokens, which follow ``plain`` pieces."""
    return {token: plain + place for place, token in enumerate((*QWEN_SPECIAL, *QWEN_MARKS))}


def llava_special(plain: int) -> dict[str, int]:
    """Return the ids of LLaVA's special tokens; two follow ``plain`` pieces."""
    return {**{token: place for place, token in enumerate(LLAMA_START)}, "<image>": plain, "<pad>": plain + 1}


def tokenizer_files(family: str, plain: int) -> dict[str, str]:
    """Return a fast tokenizer's files by name.

    Args:
        family: ``qwen2_5_vl`` or ``llava``.
        plain: Pieces before the added tokens.

    Raises:
        UsageError: There are too few for the bytes and some words.
    """
    if plain < SMALLEST:
        raise UsageError(f"`vocabulary` of realistic_checkpoint must leave {SMALLEST} plain pieces; got {plain}.")
    return _qwen(plain) if family == "qwen2_5_vl" else _llama(plain)


@cache
def _qwen(plain: int) -> dict[str, str]:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    vocabulary, merges = _learned(tokenizer, plain, [], sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.model = models.BPE(vocab=vocabulary, merges=merges)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in QWEN_SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in QWEN_MARKS])
    return {
        "tokenizer.json": tokenizer.to_str(),
        "vocab.json": json.dumps(vocabulary, ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)]) + "\n",
    }


@cache
def _llama(plain: int) -> dict[str, str]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token=LLAMA_START[0]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # to learn within words only
    first = [*LLAMA_START, *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary, merges = _learned(tokenizer, plain, first, [])
    tokenizer.model = models.BPE(
        vocab=vocabulary, merges=merges, byte_fallback=True, fuse_unk=True, unk_token=LLAMA_START[0]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in (*LLAMA_START, "<image>", "<pad>")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", LLAMA_START.index("<s>"))]
    )
    whole = json.loads(tokenizer.to_str())
    whole["pre_tokenizer"] = None
    return {"tokenizer.json": json.dumps(whole, ensure_ascii=False)}


def _learned(
    tokenizer: Any, plain: int, first: list[str], alphabet: list[str]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Learn merges from our own prose, then join learned pieces to new ones until there are ``plain``."""
    from tokenizers import trainers

    trainer = trainers.BpeTrainer(
        vocab_size=min(plain, LEARNED), special_tokens=first, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_prose(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    merges = [tuple(pair) for pair in model["merges"]]
    words = [piece for piece in sorted(vocabulary, key=lambda p: vocabulary[p]) if piece.strip("Ġ▁").isalpha()]
    inner = [piece for piece in words if piece.isalpha() and piece.isascii()]
    for left, right in product(inner, words):
        if len(vocabulary) == plain:
            break
        joined = right + left
        if joined not in vocabulary:
            vocabulary[joined] = len(vocabulary)
            merges.append((right, left))
    return vocabulary, merges


def _prose() -> Iterator[str]:
    """Yield the sources of the package: English prose, and the words of the bundled benchmark."""
    for path in sorted(Path(__file__).parents[2].rglob("*.py")):
        yield path.read_text(encoding="utf-8")
