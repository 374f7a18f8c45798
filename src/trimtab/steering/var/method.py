"""Visual attention redistribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from trimtab.engine import PARTS_OF, Capability, Edit, ModelOrEngine, Prompt, Read, RedistributeAttention, require, run
from trimtab.errors import UnsupportedMethodError
from trimtab.fields import Positive, Share
from trimtab.items import Item
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.chooser import Chooser, has_evidence, register_chooser
from trimtab.steering.method import Method, register
from trimtab.steering.training_set import TrainingSet

FIRST_LAYER = 2
"""The released code leaves the first two layers alone, and the last one."""
LOOKED_AT = 8
"""Training items in which sinks are looked for before the method is accepted."""


@register_chooser
@dataclass(frozen=True, eq=False)
class SinkChooser(Chooser):
    """Finds a prompt's attention sinks at every layer: tokens with the massive activations of the first token.

    Attributes:
        target: The modality that gets the attention.
        threshold: A state's coordinate is massive above this, once the state has been brought to unit mean square.
        min_attention: As of ``RedistributeAttention``.
        max_sink_share: As of it.
    """

    kind: ClassVar[str] = "sinks"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.HIDDEN, Capability.EDIT_SCORES})
    has_strength: ClassVar[bool] = True
    earlier: ClassVar[Mapping[str, str]] = {"least": "min_attention", "most_sink": "max_sink_share"}

    target: Modality
    threshold: float
    min_attention: float
    max_sink_share: float

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return a redistribution for each layer that has sinks; ``strength`` is the share moved, above 1 all of it."""
        found = self.sinks(model, prompts)
        return [self._moves(prompt, own, min(strength, 1.0)) for prompt, own in zip(prompts, found, strict=True)]

    def _moves(self, prompt: Prompt, sinks: Mapping[int, tuple[int, ...]], moved: float) -> tuple[Edit, ...]:
        if not has_evidence(prompt, self.target):
            return ()
        spans, places = PARTS_OF[self.target], ("last", "generated")
        rules = (self.min_attention, self.max_sink_share)
        return tuple(RedistributeAttention(spans, places, (layer,), moved, own, *rules) for layer, own in sinks.items())

    def sinks(self, model: ModelOrEngine, prompts: Sequence[Prompt]) -> list[dict[int, tuple[int, ...]]]:
        """Return each prompt's sinks, by layer; layers without any are left out."""
        layers = range(FIRST_LAYER, model.n_layers - 1)
        if not layers:
            return [{} for _ in prompts]
        # A layer looks at what the one before it has written.
        states = run(model, prompts, Read(logits=False, hidden=tuple(layer - 1 for layer in layers), at="all")).hidden
        return [
            {layer: found for layer in layers if (found := massive(states[layer - 1][k], self.threshold))}
            for k in range(len(prompts))
        ]


def massive(states: Tensor, threshold: float) -> tuple[int, ...]:
    """Return the tokens whose normalised state is massive in a coordinate in which the first token's is.

    Args:
        states: One prompt's states at a layer, ``(tokens, hidden)``.
        threshold: What is massive, once a state has unit mean square.
    """
    sizes = (states.float() / states.float().square().mean(-1, keepdim=True).sqrt().clamp_min(1e-12)).abs()
    marked = sizes[0] > threshold
    return tuple((sizes[:, marked] > threshold).any(-1).nonzero().flatten().tolist())


@register
@dataclass(frozen=True)
class VAR(Method):
    """Move attention from sinks to the target's tokens (VAR, arXiv 2503.03321); its strength is the share moved.

    Published toward the image only; its mirrors here move it to the context, the sound or the clip. Two things differ
    from the released code. It acts on all queries after the image, here at the last prompt token and at generated
    ones. And it skips layers in which no *image* token is a sink; here any sink will do, such as the first token, which
    in many models is the only one. A model without sinks is refused, since nothing would be moved.

    Attributes:
        target: The modality to follow.
        threshold: What makes an activation massive, at a width of 4,096; it scales with the root of the width, as the
            largest possible value does. The paper's 20, which no state of the pocket models exceeds; their studies
            take 10.
        min_attention: As of ``RedistributeAttention``.
        max_sink_share: As of it.
    """

    name: ClassVar[str] = "var"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.HIDDEN, Capability.EDIT_SCORES})
    title: ClassVar[str] = "var"
    has_strength: ClassVar[bool] = True

    threshold: Positive = 20.0
    min_attention: Share = 0.2
    max_sink_share: Share = 0.5

    def fit(
        self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT
    ) -> Artifact:
        """Learn nothing; the first items only show whether the model has sinks at all.

        Raises:
            UsageError: It has none above the threshold.
        """
        require(model, *self.needs, owner="VAR.fit")
        threshold = self.threshold * (model.hidden_size / 4096) ** 0.5
        chooser = SinkChooser(self.target, threshold, self.min_attention, self.max_sink_share)
        shown = list(items.items if isinstance(items, TrainingSet) else items)[:LOOKED_AT]
        found = chooser.sinks(model, [prompt_for(item) for item in shown])
        if shown and not any(found):
            raise UnsupportedMethodError(
                f"`threshold` of VAR must be one that some state of {model.name} exceeds: no token is a sink in "
                f"{len(shown)} prompts at {self.threshold:g} (scaled to {threshold:.2f} for a width of "
                f"{model.hidden_size}); lower it, or leave VAR out for this model."
            )
        return self.artifact(model, chooser=chooser)
