"""What passes over a model's layers hold in memory, counted tensor by tensor from the model's sizes.

Only what is there at the busiest moment counts. In a layer that is while positions are turned, while it attends or in
its feed-forward network; where gradients are taken, when the backward pass begins.
"""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.engine.local.whitebox import Foreseen
from trimtab.models import ENCODED_AT_ONCE, Model

FLOAT32 = 4
ADAPTED = 7
"""Linear maps of a layer: four of attention, three of the feed-forward network."""


@dataclass(frozen=True)
class Footprint:
    """Sizes of a model, and bytes made of them.

    Attributes:
        item: Bytes of a number.
        layers: Decoder layers.
        hidden: Width of a token's state.
        inner: Width of the feed-forward network.
        heads: Width of all heads' queries.
        cache: Width of keys and values together.
        turns: Width of what turns positions: a cosine and a sine for each number of a head.
        vocabulary: Tokens that are known.
        normed: Width of all that a layer normalises.
        tables: Masks over all tokens that every pass has, because some layers see by other rules than the causal one.
    """

    item: int
    layers: int
    hidden: int
    inner: int
    heads: int
    cache: int
    turns: int
    vocabulary: int
    normed: int
    tables: int

    @classmethod
    def of(cls, model: Model) -> Footprint:
        """Return a model's."""
        return cls(
            model.dtype.itemsize,
            model.n_layers,
            model.hidden_size,
            model.text_config.intermediate_size,
            model.n_heads * max(model.head_dims),
            2 * max(model.key_widths),
            2 * max(model.head_dims),
            model.text_config.vocab_size,
            _normed(model),
            len(set(model.windows)) if any(model.windows) or model.mask_rule != "causal" else 0,
        )

    def kept(self, tokens: int, layers: int | None = None) -> float:
        """Keys and values of tokens in all layers, or in the first so many."""
        return self.item * tokens * (self.layers if layers is None else layers) * self.cache

    def passing(self, rows: int, length: int, earlier: int = 0, copied: bool = True, masked: bool = False) -> float:
        """What one layer holds while rows go through it, beside what is kept of them.

        Args:
            rows: Rows.
            length: Tokens of each.
            earlier: Tokens before them whose keys and values are known.
            copied: Whether each row gets a copy of these.
            masked: Whether a mask says what is seen, because rows are padded; it always does behind earlier tokens.
        """
        masked = masked or (earlier > 0 and length > 1) or self.tables > 0
        tokens, keys, states = rows * length, rows * (earlier + length), 3 * self.hidden + self.turns
        turning = tokens * (states + self.heads + self.cache + max(3 * self.heads, self.heads + 3 * self.cache // 2))
        feeding = tokens * (states + self.hidden + 3 * self.inner)
        attending = tokens * (states + 2 * self.heads + self.cache)
        if earlier and copied:
            attending += keys * self.cache
        if masked:
            attending += length * keys + self._repeated(keys)
        return self.item * max(turning, feeding, attending) + masked * max(self.tables, 1) * length * keys

    def _repeated(self, keys: int) -> int:
        """Keys and values of several heads, repeated for each; behind a mask alone."""
        return 2 * self.heads * keys if self.cache < 2 * self.heads else 0

    def logits(self, rows: int) -> float:
        """Logits of rows, read: one after the other in the model's type, all in float32, and once more as a table."""
        return self.vocabulary * (self.item + 2 * FLOAT32 * rows)

    def batch(self, asked: Foreseen, new_tokens: int = 0) -> float:
        """A batch that is read off, or answered with so many tokens."""
        rows, prefix = asked.rows, asked.prefix
        held = self.kept(len(asked.prefixes) * prefix, asked.layers)
        shared = self.passing(len(asked.prefixes), prefix, masked=len(set(asked.prefixes)) > 1)
        own = self.passing(rows, asked.length, prefix, asked.copied, asked.padded)
        if prefix or new_tokens:
            own += self.kept(rows * asked.length, asked.layers)
        answering = self.kept(rows * (asked.length + new_tokens)) + self.passing(rows, 1, prefix + asked.length)
        after = self.logits(rows) + (answering if new_tokens else 0)
        return max(held + shared, held + own, held + after)

    def graph(self, tokens: int) -> float:
        """What a backward pass keeps of tokens in all layers, and computes in the last one; norms are in float32."""
        layer = self.item * (3 * self.inner + 2 * self.heads) + FLOAT32 * self.normed
        layer += self.item * (max(self.cache, self._repeated(1)) + tokens if self.tables else self.cache)
        return tokens * (self.layers * layer + self.item * (2 * self.inner + 2 * self.hidden))

    def adapted(self, rows: int, length: int, rank: int) -> float:
        """What a backward pass keeps of rows where each linear map has an adapter, which keeps what enters it.

        Args:
            rows: Rows, padded to one length.
            length: Tokens of each.
            rank: Rank of the adapters.
        """
        tokens = rows * length
        numbers = 4 * self.inner + 2 * self.heads + max(self.cache, self._repeated(1)) + 2 * self.hidden
        entering = 0 if self.item == FLOAT32 else self.item * (5 * self.hidden + self.heads + self.inner)
        layer = tokens * (self.item * numbers + FLOAT32 * self.normed + ADAPTED * FLOAT32 * rank + entering)
        layer += self.item * tokens * length  # the mask, in the form that attention takes
        return self.layers * (layer + self._adapters(rank)) + self.item * tokens * 2 * self.inner

    def _adapters(self, rank: int) -> float:
        """Weights of a layer's adapters."""
        attention = 2 * (self.hidden + self.heads) + 2 * self.hidden + self.cache
        return FLOAT32 * rank * (attention + 3 * (self.hidden + self.inner))


def _normed(model: Model) -> int:
    """Return the width of what a layer's norms take of a token, those of heads included."""
    width = 0
    for name, module in model.layers[model.n_layers - 1].named_modules():
        if "norm" in type(module).__name__.lower():
            of_heads = {"q_norm": model.n_heads * max(model.head_dims), "k_norm": max(model.key_widths)}
            width += of_heads.get(name.rpartition(".")[2], model.hidden_size)
    return width


def encoded_at_once(of_each: list[int]) -> int:
    """Return positions of the pictures that a tower takes at once, given those of each."""
    return min(sum(of_each), max([ENCODED_AT_ONCE, *of_each]))
