"""Image attention-guided key-value merging collaborative decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trimtab.engine import PARTS_OF, Capability, Contrast, MergeKeys, ModelOrEngine, Prompt, Row
from trimtab.fields import Portion
from trimtab.modalities import Modality
from trimtab.steering.asks import Ask
from trimtab.steering.chooser import Chooser, has_evidence, register_chooser
from trimtab.steering.method import Parts, UntrainedMethod, register

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class MergeChooser(Chooser):
    """The prompt, and beside it the prompt with merged keys and values, answered as one.

    Attributes:
        target: The modality whose attention says what is kept.
        layers: The model's number of layers; all of them merge.
        kept: As of ``MergeKeys``.
        plausibility: See ``Contrast``.
    """

    kind: ClassVar[str] = "merge"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOGITS, Capability.EDIT_SCORES})
    has_strength: ClassVar[bool] = True

    target: Modality
    layers: int
    kept: float
    plausibility: float

    def asks(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> Sequence[Ask]:
        """Return ``log p + strength log p'`` of each prompt; one without the target is asked plainly."""
        merge = MergeKeys(PARTS_OF[self.target], ("last", "generated"), tuple(range(self.layers)), 1.0, self.kept)
        return [
            Contrast((Row(prompt), Row(prompt, (merge,))), (1.0, strength), self.plausibility)
            if has_evidence(prompt, self.target)
            else Row(prompt)
            for prompt in prompts
        ]


@register
@dataclass(frozen=True)
class IKOD(UntrainedMethod):
    """Decode along with a shorter text that looks at the target (IKOD, arXiv 2508.03469); its strength is alpha.

    ``log p + alpha log p'``: p' is the answer where, in every layer, the text tokens that look least at the target are
    merged into their neighbours; see ``MergeKeys``. The paper's alpha is 2, and what follows is from its released code.

    Three things differ from that code. It sorts tokens by the places that sorting gives them, not by their attention,
    and does not count merged tokens from the picture on; here it is done as described. Where it computes p', the newest
    token is also among the keys a second time; here once. And the keys of generated tokens come from its full cache;
    here each branch has its own. Published toward the image only; its mirrors here go by the attention on the context,
    the sound or the clip.

    Attributes:
        target: The modality to follow.
        kept: Share of the text tokens after the target that is kept; the code's 0.4 for short answers, 0.6 else.
        plausibility: Tokens below this share of the plain prompt's best are never chosen.
    """

    name: ClassVar[str] = "ikod"
    title: ClassVar[str] = "IKOD"
    colour: ClassVar[str] = "#6699CC"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "vdd")
    has_strength: ClassVar[bool] = True
    changes_prompt: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = MergeChooser.needs

    kept: Portion = 0.4
    plausibility: Portion = 0.1

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return what asks twice."""
        return {"chooser": MergeChooser(self.target, model.n_layers, self.kept, self.plausibility)}
