"""Tokenizers as Mistral publishes them: ``tekken.json``, byte-pair ranks behind numbered special tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

TEKKEN_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where text is cut: words with their space, where a capital begins; single digits."""
RESERVED = 1000
"""Places for special tokens."""
NAMED = (
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"),
    *("[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"),
    *("[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)
SOUNDS = {24: "[AUDIO]", 25: "[BEGIN_AUDIO]", 34: "[TRANSCRIBE]"}


def special_tokens() -> tuple[str, ...]:
    """Return the special tokens of a tokenizer that hears, in the order of their ids."""
    names = {**dict(enumerate(NAMED)), **SOUNDS}
    return tuple(names.get(i, f"<SPECIAL_{i}>") for i in range(RESERVED))


def tekken(vocabulary: Mapping[str, int], first: tuple[str, ...], words: str) -> str:
    """Return ``tekken.json``.

    Args:
        vocabulary: Pieces by bytes written as GPT-2 does, and the special tokens before them, by id.
        first: The special tokens.
        words: Where text is cut, a regular expression.
    """
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    byte_of = {character: byte for byte, character in bytes_to_unicode().items()}
    pieces = sorted((piece for piece in vocabulary if piece not in first), key=lambda piece: vocabulary[piece])
    held = [bytes(byte_of[character] for character in piece) for piece in pieces]
    held.sort(key=lambda piece: piece[0] if len(piece) == 1 else 256)  # single bytes come first, by their value
    return json.dumps(
        {
            "config": {
                "pattern": words,
                "num_vocab_tokens": len(held),
                "default_vocab_size": len(held) + len(first),
                "default_num_special_tokens": len(first),
                "version": "v7",
            },
            "vocab": [
                {
                    "rank": rank,
                    "token_bytes": base64.b64encode(piece).decode(),
                    "token_str": piece.decode(errors="replace"),
                }
                for rank, piece in enumerate(held)
            ],
            "special_tokens": [
                {"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(first)
            ],
            "audio": {
                "sampling_rate": 16000,
                "frame_rate": 12.5,
                "audio_encoding_config": {"num_mel_bins": 128, "hop_length": 160, "window_size": 400},
                "chunk_length_s": 30.0,
            },
            "version": 1,
            "type": "Tekken",
        }
    )
