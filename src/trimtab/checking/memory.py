"""How much memory each job needs beside the weights, by the sizes of model and prompt.

The numbers of copies are those that peaks at the width of a 7B model were matched with; see ``docs/check.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trimtab.engine.local.whitebox import first_guess
from trimtab.interference import PERTURBATIONS, HardenConfig
from trimtab.modalities import PAIR

if TYPE_CHECKING:
    from trimtab.checking.trial import Trial
    from trimtab.models import Model

FLOAT32 = 4
LOGIT_COPIES = 3
"""Logits of a row: in the model's type, in float32, and what is computed from them."""
SCRATCH = 1.4
"""Where gradients are taken, libraries hold this many times what is counted."""
VIEWS = 1 + len(HardenConfig().perturbations) // 2
"""Views of an item that hardening sees at once: the clean one, and one for each kind that fits its family."""


@dataclass(frozen=True)
class _Widths:
    """Numbers kept for one token of one layer, and for one row."""

    item: int
    layers: int
    hidden: int
    inner: int
    heads: int
    cache: int
    vocabulary: int

    @classmethod
    def of(cls, model: Model) -> _Widths:
        text = model.text_config
        return cls(
            model.dtype.itemsize,
            model.n_layers,
            model.hidden_size,
            text.intermediate_size,
            model.n_heads * max(model.head_dims),
            2 * max(model.key_widths),
            text.vocab_size,
        )

    def prefill(self, tokens: int) -> float:
        """A prompt's forward pass: its keys and values, and one layer's states."""
        states = 6 * self.hidden + 3 * self.inner + 2 * self.heads + self.cache
        return self.item * tokens * (self.layers * self.cache + states) + self.logits(1)

    def logits(self, rows: int) -> float:
        """Logits of rows."""
        return LOGIT_COPIES * FLOAT32 * rows * self.vocabulary

    def whole(self, rows: int, tokens: int) -> float:
        """Rows that go on from one prefix: one layer's keys and values, whole for each row, and the rows' logits.

        Attention repeats keys and values that several heads share.
        """
        repeated = 2 * self.heads if self.cache < 2 * self.heads else 0
        return self.item * rows * tokens * (self.cache + repeated) + self.logits(rows)

    def graph(self, tokens: int, adapters: bool = False) -> float:
        """What a backward pass through all layers keeps of tokens; norms and the residual stream in float32.

        Adapters keep what enters each of their maps once more, in float32.
        """
        layer = self.item * (4 * self.hidden + 4 * self.inner + 3 * self.heads + self.cache) + 6 * FLOAT32 * self.hidden
        entering = FLOAT32 * (5 * self.hidden + self.heads + self.inner) if adapters else 0
        return tokens * self.layers * (layer + entering)


def of_picture(trial: Trial) -> float:
    """Bytes of one picture in the vision tower."""
    if not trial.image_tokens:
        return 0.0
    vision: Any = trial.model.hf.config.vision_config  # pyright: ignore[reportAttributeAccessIssue]
    merged = getattr(vision, "spatial_merge_size", 1) ** 2
    patches = trial.image_tokens * merged
    block = 10 * vision.hidden_size + 3 * vision.intermediate_size
    pixels = 3 * vision.patch_size**2 * getattr(vision, "temporal_patch_size", 1)
    return patches * (trial.model.dtype.itemsize * block + 3 * FLOAT32 * pixels)


def of_prompts(trial: Trial) -> float:
    """Bytes of asking an item plainly and under either instruction: the picture and the context are computed once."""
    widths = _Widths.of(trial.model)
    return max(of_picture(trial), widths.prefill(trial.tokens) + widths.whole(3, trial.tokens))


def of_measure(trial: Trial) -> float:
    """Bytes of an item asked with image and text, with either, and with neither."""
    at_once = min(2 ** len(PAIR), first_guess(trial.model, trial.tokens))
    return max(of_picture(trial), at_once * _Widths.of(trial.model).prefill(trial.tokens))


def of_sweep(trial: Trial) -> float:
    """Bytes of a layer's heads silenced in turn: rows that share one prefix."""
    widths, rows = _Widths.of(trial.model), trial.model.n_heads + 1
    at_once = min(rows, first_guess(trial.model, trial.tokens))
    return max(of_picture(trial), widths.prefill(trial.tokens) + widths.whole(at_once, trial.tokens))


def of_gradients(trial: Trial) -> float:
    """Bytes of a case's backward pass."""
    widths = _Widths.of(trial.model)
    return max(of_picture(trial), widths.graph(trial.tokens) + widths.prefill(trial.tokens))


def of_perturbations(trial: Trial) -> float:
    """Bytes of an item asked clean and under every perturbation that fits it."""
    views = 1 + sum(one.modality in PAIR for one in PERTURBATIONS.values()) // 2
    at_once = min(views, first_guess(trial.model, trial.tokens))
    return max(of_picture(trial), at_once * _Widths.of(trial.model).prefill(trial.tokens))


def of_hardening(trial: Trial) -> float:
    """Bytes of one item's views and their backward pass; adapters and their optimiser are small beside it."""
    widths = _Widths.of(trial.model)
    graph = VIEWS * (widths.graph(trial.tokens, adapters=True) + 2 * widths.logits(2))
    return max(of_picture(trial), SCRATCH * graph)
