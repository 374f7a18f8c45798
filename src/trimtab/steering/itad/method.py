"""Image token attention-guided decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jaxtyping import Float
from torch import Tensor

from trimtab.contribution import attention_to
from trimtab.divergences import js
from trimtab.engine import Capability, Contrast, ModelOrEngine, Prompt, Row, SkipLayers
from trimtab.errors import UnsupportedMethodError
from trimtab.fields import Portion
from trimtab.modalities import Modality
from trimtab.steering.asks import Ask
from trimtab.steering.chooser import Chooser, has_evidence, register_chooser
from trimtab.steering.method import Parts, UntrainedMethod, register

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

DEEPEST = 14 / 32
"""The deepest candidate, as a share of the depth: the paper's candidates are the layers 2, 4, ... 14 of 32."""


@register_chooser
@dataclass(frozen=True, eq=False)
class EarlyExitChooser(Chooser):
    """The prompt against an early exit, from the candidate that looks at the picture least like the last layer does.

    Attributes:
        target: The modality that is looked at.
        layers: Candidates, 0-based: an exit at layer M reads its output.
        last: The model's last layer.
        plausibility: See ``Contrast``.
    """

    kind: ClassVar[str] = "early_exit"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOGITS, Capability.CACHE, Capability.SKIP_LAYERS})
    has_strength: ClassVar[bool] = True

    target: Modality
    layers: Sequence[int]
    last: int
    plausibility: float

    def asks(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> Sequence[Ask]:
        """Return ``log p - strength log p_M`` of each prompt; one without the target is asked plainly."""
        found: list[Ask] = [Row(prompt) for prompt in prompts]
        places = [k for k, prompt in enumerate(prompts) if has_evidence(prompt, self.target)]
        attention = attention_to(model, [prompts[k] for k in places], self.target)
        if attention and (idle := [k for k in (*self.layers, self.last) if attention[0][k].isnan().any()]):
            raise UnsupportedMethodError(
                f"`model` of ITaD must attend in each layer it may exit from; {model.name} carries a state instead in "
                f"layer {idle[0]}; leave ITaD out for this model."
            )
        for k, own in zip(places, attention, strict=True):
            skipped = tuple(range(self.exit(own) + 1, self.last + 1))
            early = Row(prompts[k], (SkipLayers(skipped, ("last", "generated")),))
            found[k] = Contrast((Row(prompts[k]), early), (1.0, -strength), self.plausibility)
        return found

    def exit(self, attention: Float[Tensor, "layers heads tokens"]) -> int:
        """Return the candidate M with the largest Jensen-Shannon divergence to the last layer."""
        looks = attention.amax(1).double().log_softmax(-1)
        candidates = looks[list(self.layers)]
        return self.layers[int(js(candidates, looks[self.last].expand_as(candidates)).argmax())]


@register
@dataclass(frozen=True)
class ITaD(UntrainedMethod):
    """Contrast the answer with that of an earlier layer, picked by attention to the picture (iTaD, NAACL 2025).

    With ``v_n`` the softmax, over the picture's tokens, of the largest attention among heads from the newest token at
    layer n, M is the candidate with the largest Jensen-Shannon divergence between ``v_M`` and ``v_N`` of the last layer
    N. The score is ``log p_N - log p_M``, p_M read off layer M by the final norm and the head; ``strength`` multiplies
    ``log p_M``, and the paper's is 1.

    The paper picks M anew at each token and searches with five beams; here M is picked at the first answer token, and
    decoding is greedy. Its candidates are the layers 2, 4, ... 14 of 32; here those of the same share of the depth. It
    has no released code.

    Attributes:
        target: The image.
        plausibility: Tokens below this share of the plain prompt's best are never chosen; the paper tuned it for each
            model, to 0.03, 0.05, 0.05 and 0.7.
    """

    name: ClassVar[str] = "itad"
    title: ClassVar[str] = "iTaD"
    colour: ClassVar[str] = "#AA6600"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "vdd")
    has_strength: ClassVar[bool] = True
    changes_prompt: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = EarlyExitChooser.needs
    targets: ClassVar[tuple[Modality, ...]] = ("image",)

    plausibility: Portion = 0.05

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return what picks the layer.

        Raises:
            UnsupportedMethodError: The model is so shallow that there is no candidate below its last layer.
        """
        layers = [count - 1 for count in range(2, max(3, int(DEEPEST * model.n_layers) + 1), 2)]
        if model.n_layers < 3:
            raise UnsupportedMethodError(
                f"`model` of ITaD must have at least 3 layers, since its answer is contrasted with that of the second; "
                f"{model.name} has {model.n_layers}; leave iTaD out for this model."
            )
        return {"chooser": EarlyExitChooser(self.target, layers, model.n_layers - 1, self.plausibility)}
