"""What an engine can do."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Capability(StrEnum):
    """What an engine may or may not be able to do beside answering plain prompts.

    Attributes:
        LOGITS: Read next-token logits, all of them.
        TOP_LOGPROBS: Read the log-probabilities of the likeliest next tokens alone.
        HIDDEN: Read layers' outputs.
        HEADS: Read the outputs of attention heads.
        ADD_VECTOR: Add vectors to layers' outputs.
        EDIT_STATES: Replace layers' outputs.
        SKIP_LAYERS: Let tokens pass layers by.
        EDIT_HEADS: Scale or replace the outputs of attention heads.
        EDIT_MASK: Cut attention edges.
        EDIT_SCORES: Change attention scores, the decoder's or the vision tower's.
        CACHE: Hold keys and values in hand.
        GRADIENTS: Differentiate.
        WEIGHTS: Hold the model itself in hand: its modules, its own calls, its training.
    """

    LOGITS = "logits"
    TOP_LOGPROBS = "top_logprobs"
    HIDDEN = "hidden"
    HEADS = "heads"
    ADD_VECTOR = "add_vector"
    EDIT_STATES = "edit_states"
    SKIP_LAYERS = "skip_layers"
    EDIT_HEADS = "edit_heads"
    EDIT_MASK = "edit_mask"
    EDIT_SCORES = "edit_scores"
    CACHE = "cache"
    GRADIENTS = "gradients"
    WEIGHTS = "weights"


class Sizes(Protocol):
    """What edits and reads are checked against: a model's name and the numbers of its decoder."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def n_layers(self) -> int:
        """Decoder blocks."""
        ...

    @property
    def n_heads(self) -> int:
        """Query heads of a layer."""
        ...

    @property
    def head_dims(self) -> tuple[int, ...]:
        """Width of a query head in each layer."""
        ...

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        ...


class Identified(Sizes, Protocol):
    """What an artifact is checked against: the sizes of a model, and which one it is."""

    @property
    def fingerprint(self) -> str:
        """Digest of the model's identity; equal for equal models."""
        ...
