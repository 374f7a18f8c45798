"""Tokenizers of released kind and size: byte-pair merges learned from English, then filled up to a vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import UsageError
from trimtab.testing.realistic.tekken import tekken

LEARNED = 3000
"""Pieces learned from text; the rest of a vocabulary is made up of them."""
SMALLEST = 600

CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN_WORDS = CASES + r"\p{N}" + REST
"""Where Qwen's byte-level tokenizer cuts text before merging: words with their space, single digits."""
LLAMA3_WORDS = CASES + r"\p{N}{1,3}" + REST
"""Where those of Llama 3 and GLM-4 do: up to three digits stay together."""
GPT2_WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""Where GPT-2's and those made after it do, with single digits as SmolLM's and Cohere's have them."""


if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE


@dataclass(frozen=True)
class Tokens:
    """A tokenizer.

    Attributes:
        words: Where text is cut before bytes are merged, a regular expression; empty for a tokenizer in the manner of
            SentencePiece, whose pieces are characters with bytes to fall back on.
        first: Special tokens at the beginning of the vocabulary.
        special: Special tokens behind its plain pieces.
        marks: Tokens behind these, which are added and not special.
        filling: More of that kind, which a vocabulary below the released size leaves out.
        last: Special tokens behind all others.
        before: Special tokens that are written before every text.
        prefix: Whether a tokenizer in the manner of SentencePiece writes a space before every text, as Llama's does.
        lists: Whether ``vocab.json`` and ``merges.txt`` are published beside ``tokenizer.json``.
        tekken: Whether ``tekken.json`` is published in their place.
    """

    words: str = ""
    first: tuple[str, ...] = ()
    special: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    filling: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    prefix: bool = True
    lists: bool = False
    tekken: bool = False

    @property
    def added(self) -> tuple[str, ...]:
        """Tokens behind the plain pieces, in their order."""
        return (*self.special, *self.marks, *self.filling, *self.last)

    def is_special(self, token: str) -> bool:
        """Whether an added token is special, so that it can be left out of decoded text."""
        return token not in self._unspecial

    @cached_property
    def _unspecial(self) -> frozenset[str]:
        return frozenset((*self.marks, *self.filling))

    def ids(self, plain: int) -> dict[str, int]:
        """Return the ids of special and added tokens; those of ``first`` are among ``plain`` pieces."""
        behind = enumerate(self.added, plain)
        return {**{token: i for i, token in enumerate(self.first)}, **{token: i for i, token in behind}}


@cache
def tokenizer_files(tokens: Tokens, plain: int) -> dict[str, str]:
    """Return a fast tokenizer's files by name.

    Args:
        tokens: What is known of it.
        plain: Pieces before the added tokens.

    Raises:
        UsageError: There are too few for the bytes and some words.
    """
    if plain < SMALLEST + len(tokens.first):
        raise UsageError(
            f"`vocabulary` of realistic_checkpoint must leave {SMALLEST + len(tokens.first)} plain pieces; got {plain}."
        )
    from tokenizers import AddedToken, Tokenizer

    bytes_ = () if tokens.words else tuple(f"<0x{byte:02X}>" for byte in range(256))
    vocabulary, merges = _filled(tokens, plain, (*tokens.first, *bytes_))
    if tokens.tekken:
        return {"tekken.json": tekken(vocabulary, tokens.first, tokens.words)}
    tokenizer = Tokenizer(_model(tokens, vocabulary, merges))
    (_byte_level if tokens.words else _sentence_pieces)(tokenizer, tokens)
    added = [AddedToken(t, special=tokens.is_special(t), normalized=False) for t in (*tokens.first, *tokens.added)]
    tokenizer.add_tokens(added)
    _write_before(tokenizer, tokens)
    files = {"tokenizer.json": tokenizer.to_str()}
    if tokens.lists:
        files["vocab.json"] = json.dumps(vocabulary, ensure_ascii=False)
        files["merges.txt"] = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)]) + "\n"
    return files


def _model(tokens: Tokens, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> BPE:
    from tokenizers import models

    if tokens.words:
        return models.BPE(vocab=vocabulary, merges=merges)
    return models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")


def _byte_level(tokenizer: Tokenizer, tokens: Tokens) -> None:
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    tokenizer.normalizer = normalizers.NFC()
    cut = pre_tokenizers.Split(Regex(tokens.words), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()


def _sentence_pieces(tokenizer: Tokenizer, tokens: Tokens) -> None:
    from tokenizers import decoders, normalizers

    space = normalizers.Replace(" ", "▁")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if tokens.prefix:
        space = normalizers.Sequence([normalizers.Prepend("▁"), space])
        steps.append(decoders.Strip(" ", 1, 0))
    tokenizer.normalizer = space
    tokenizer.decoder = decoders.Sequence(steps)


def _write_before(tokenizer: Tokenizer, tokens: Tokens) -> None:
    from tokenizers import processors

    steps: list[Any] = [processors.ByteLevel(trim_offsets=False)] if tokens.words else []
    if tokens.before:
        written = " ".join(tokens.before)
        ids = [(token, tokenizer.token_to_id(token)) for token in tokens.before]
        pair = f"{written} $A {written} $B"
        steps.append(processors.TemplateProcessing(single=f"{written} $A", pair=pair, special_tokens=ids))
    if steps:
        tokenizer.post_processor = steps[0] if len(steps) == 1 else processors.Sequence(steps)


def _filled(tokens: Tokens, plain: int, first: tuple[str, ...]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Number first pieces, characters and learned pieces; then join these to new ones until there are ``plain``."""
    characters, learned = _learned(tokens.words)
    vocabulary = {piece: i for i, piece in enumerate((*first, *characters))}
    merges: list[tuple[str, str]] = []
    for left, right in learned:
        if len(vocabulary) >= min(plain, LEARNED):
            break
        vocabulary.setdefault(left + right, len(vocabulary))
        merges.append((left, right))
    words = [piece for piece in vocabulary if piece.strip("Ġ▁").isalpha()]
    inner = [piece for piece in words if piece.isalpha() and piece.isascii()]
    for left, right in product(inner, words):
        if len(vocabulary) == plain:
            break
        joined = right + left
        if joined not in vocabulary:
            vocabulary[joined] = len(vocabulary)
            merges.append((right, left))
    return vocabulary, merges


@cache
def _learned(words: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Learn from the benchmark's prose what is merged; return characters and merges."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer, alphabet = Tokenizer(models.BPE()), []
    if words:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        cut = pre_tokenizers.Split(Regex(words), "isolated")
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # to learn within words only
    trainer = trainers.BpeTrainer(vocab_size=LEARNED, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_prose(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    made = {left + right for left, right in merges}
    return [piece for piece in sorted(model["vocab"], key=model["vocab"].get) if piece not in made], merges


def _prose() -> Iterator[str]:
    """Yield the bundled benchmark's sources, English that hardly ever changes: the ids learned from it must not."""
    for path in sorted((Path(__file__).parents[2] / "pocket").glob("*.py")):
        yield path.read_text(encoding="utf-8")
