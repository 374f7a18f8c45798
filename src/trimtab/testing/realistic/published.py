"""What a family's file says of its released checkpoints, and the registry of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from trimtab.registry import Registry
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import Tokens


@dataclass(frozen=True)
class Published:
    """What the releases of a family have in common.

    Attributes:
        name: The family's ``model_type``.
        tokens: Its tokenizer.
        names: How today's names of tensors begin, and how they begin in the published files; the first that fits is
            taken.
        files: Says what the small files hold, by their names: a JSON object, or text.
        plus_one: How today's names of the norms begin that weigh by 1 + weight, so that their weights are near 0.
        values: How today's names of tensors end whose entries are all equal, and what these are: norms of other
            weights, scales and bounds, which random numbers near 0 would not do for.
        transposed: How the names of experts' maps end that are published input first, and turned while loading.
        part: Key of the configuration of the model, where a checkpoint holds more than that.
        beside: Names and shapes of some of what it holds beside.
    """

    name: str
    tokens: Tokens
    names: Mapping[str, str]
    files: Callable[[Made], Mapping[str, Any]]
    plus_one: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    transposed: tuple[str, ...] = ()
    part: str = ""
    beside: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """One released checkpoint.

    Attributes:
        name: What ``realistic_checkpoint`` calls it.
        family: What it has in common with others.
        sizes: Its sizes, but for the layers.
        spare: Rows of the embedding table that are beyond the tokenizer's plain pieces: special tokens, and rows that
            only fill the table up.
        dtype: The type its weights are published in.
        tied: Whether the unembedding is the embedding, and so not in the files.
        facts: What else its files say otherwise than those of other releases; ``files`` of the family reads it.
    """

    name: str
    family: Published
    sizes: Sizes
    spare: int
    dtype: str = "bfloat16"
    tied: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What is being written: a release as it was asked for."""

    release: Release
    sizes: Sizes
    dtype: str
    tied: bool

    @cached_property
    def tokens(self) -> Tokens:
        """The tokenizer, without the tokens that only fill it where the vocabulary was made smaller."""
        tokens = self.release.family.tokens
        whole = self.sizes.vocabulary >= self.release.sizes.vocabulary
        return tokens if whole else replace(tokens, filling=())

    @property
    def plain(self) -> int:
        """Pieces of the vocabulary before the tokens that were added to it; three quarters of it at least."""
        return self.sizes.vocabulary - min(self.release.spare, self.sizes.vocabulary // 4)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Ids of special and added tokens."""
        return self.tokens.ids(self.plain)

    def tokenizer_config(self, **own: object) -> dict[str, Any]:
        """Return ``tokenizer_config.json``: the added tokens, and what the family says."""
        added = {i: _added(token, self.tokens.is_special(token)) for token, i in self.ids.items()}
        return dict(sorted({"added_tokens_decoder": added, **own}.items()))


def _added(token: str, special: bool) -> dict[str, Any]:
    plain = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    return {"content": token, **plain, "special": special}


RELEASES: Registry[Release] = Registry("`release` of realistic_checkpoint")
"""Checkpoints that can be built, by name."""


def register(*releases: Release) -> None:
    """Make releases known."""
    for release in releases:
        RELEASES.register(release)
