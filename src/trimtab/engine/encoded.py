"""A prompt as a model takes it: tokens, and where its named parts are among them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from trimtab.errors import UsageError
from trimtab.media import medium_kind
from trimtab.modalities import SHOWN
from trimtab.models import NO_BLOCK, MediaInput


@dataclass(frozen=True, eq=False)
class Encoded:
    """A prompt as the model takes it: unpadded, for one row.

    Attributes:
        ids: Token ids, ``(length,)``.
        positions: Rotary positions, ``(axes, length)``.
        spans: Token indices of each named part; a part the prompt lacks has none.
        media: What the prompt shows, in order within each modality.
        blocks: For families whose tokens see each other whatever the order, the block of each token, ``(length,)``, -1
            for none; a prompt is not cut inside one.
    """

    ids: Int[Tensor, " length"]
    positions: Int[Tensor, "axes length"]
    spans: Mapping[str, Int[Tensor, " _"]]
    media: tuple[MediaInput, ...]
    blocks: Int[Tensor, " length"] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def content(self) -> Hashable:
        """What equal prompts have in common: their media and their tokens."""
        return tuple(m.key for m in self.media), self.ids.cpu().numpy().tobytes()

    def span(self, name: str) -> Int[Tensor, " n"]:
        """Return the token indices of a named part, ``(n,)``.

        Raises:
            UsageError: The prompt has no such part.
        """
        if name not in self.spans or not len(self.spans[name]):
            present = [n for n, s in self.spans.items() if len(s)]
            raise UsageError(
                f"`span` must name a part of this prompt ({', '.join(present)}); got {name!r}; give the prompt "
                "that part or name another span."
            )
        return self.spans[name]

    def followed_by(self, tokens: Sequence[int]) -> Encoded:
        """Return the prompt with the first tokens of its answer after it, as they would be generated.

        They go on counting in all rotary axes; ``last`` is the last of them, and the other parts stay where they are.
        """
        if not len(tokens):
            return self
        ids = torch.cat([self.ids, self.ids.new_tensor(list(tokens))])
        later = self.positions.max() + 1 + torch.arange(len(tokens), device=ids.device)
        positions = torch.cat([self.positions, later.expand(len(self.positions), -1)], dim=1)
        blocks = self.blocks
        if blocks is not None:
            blocks = torch.cat([blocks, blocks.new_full((len(tokens),), NO_BLOCK)])
        spans = {**self.spans, "last": ids.new_tensor([len(ids) - 1])}
        return Encoded(ids, positions, spans, self.media, blocks)


def describe(prompt: Encoded) -> str:
    """Say how large a prompt is."""
    return f"a row of {len(prompt):,} tokens, {media_positions(prompt, ' of them')},"


def media_positions(prompt: Encoded, among: str = "") -> str:
    """Say how many of a prompt's tokens are positions of media."""
    shown = {kind: len(prompt.spans[kind]) for kind in SHOWN if len(prompt.spans.get(kind, ()))} or {"image": 0}
    return " and ".join(f"{n:,}{among} of {medium_kind(kind).noun}s" for kind, n in shown.items())
