"""Dynamic multimodal activation steering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from trimtab.engine import Capability, ModelOrEngine, require
from trimtab.errors import UnsupportedMethodError
from trimtab.fields import AtLeast, Count, Portion
from trimtab.items import Item, remembered
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.dmas.chooser import ClusterChooser
from trimtab.steering.dmas.clusters import clustered, denoised, strongest
from trimtab.steering.dmas.heads import answer_differences, perception_differences
from trimtab.steering.method import Method, default_layer, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class DMAS(Method):
    """Add to the most telling heads the vectors of the training items that a prompt is most like (arXiv 2602.21704).

    Two vectors for each head (ICLR 2026; no code was released, and of the paper only its abstract and a summary of its
    method could be had). Truthfulness: of items with like meaning, in four clusters, the mean difference between the
    heads' outputs at the last token of a correct and of a hallucinated answer. Perception: the mean difference between
    those with the image and with noise over it. Both keep their principal components alone, and are added to the K
    heads where they are the largest: ``head + alpha M_f D_f + beta M_v D_v``; the cluster is the one whose key is most
    like the input.

    Here the correct answer is the one that the target supports, and the hallucinated one another modality's; both are
    forced upon the model, as in ``L2S`` with ``contrast="completion"``. What the summary leaves open is ours: keys are
    mean plain states of the last prompt token at half the depth, where the paper embeds the text by a second model;
    components hold ``variance`` of the differences; K is a share of all heads; vectors are added from the last prompt
    token on. The paper names detected objects in the prompts of the perception half; here prompts are as they are.
    Toward others than the image, which are mirrors of ours, that half leaves the target out. ``strength`` is alpha.

    Attributes:
        target: The modality to follow.
        clusters: Groups of training items; the paper's 4.
        heads: Share of all heads that each vector is added to.
        perception: beta beside alpha; 0 leaves that half out.
        variance: Share of the differences' squared size that the components hold.
        seed: Seed of the clusters' first centres.
    """

    name: ClassVar[str] = "dmas"
    title: ClassVar[str] = "DMAS"
    colour: ClassVar[str] = "#228833"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "l2s")
    has_strength: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = ClusterChooser.needs | {Capability.HEADS}

    clusters: Count = 4
    heads: Portion = 0.1
    perception: Annotated[float, AtLeast(0)] = 1.0
    variance: Portion = 0.9
    seed: int = 0

    def fit(self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet, progress: Progress = SILENT) -> Artifact:
        """Learn the clusters and their vectors; see ``Method.fit``.

        Raises:
            UnsupportedMethodError: The model's heads are not equally wide in all layers, or not all layers have heads.
        """
        require(model, *self.needs, owner="DMAS.fit")
        if len(set(model.head_dims)) > 1:
            raise UnsupportedMethodError(
                f"`model` of DMAS must have heads of one width; those of {model.name} have "
                f"{', '.join(map(str, sorted(set(model.head_dims))))}; leave DMAS out for this model."
            )
        train = items if isinstance(items, TrainingSet) else TrainingSet(model, items, [default_layer(model)], progress)
        train.check_target(self.target, "DMAS")
        layer = default_layer(model) if default_layer(model) in train.layers else train.layers[len(train.layers) // 2]
        keys = train.states.plain[layer]
        center = keys.mean(0)
        centres, member = clustered(normalize(keys - center, dim=-1), self.clusters, self.seed)
        shift = self._shifts(train, member)
        layers, heads = shift.abs().amax((0, -1)).nonzero(as_tuple=True)
        chooser = ClusterChooser(
            layer, layers.tolist(), heads.tolist(), center, centres, shift[:, layers, heads].contiguous()
        )
        sizes = torch.bincount(member, minlength=len(centres)).tolist()
        about = {"items": len(train.items), "skipped": len(train.states.skipped)}
        return self.artifact(
            model,
            chooser=chooser,
            data_fingerprint=train.fingerprint,
            fitted_items=remembered(train.items),
            metrics={"train": {**about, "clusters": sizes, "heads": len(layers)}},
        )

    def _shifts(self, train: TrainingSet, member: Tensor) -> Tensor:
        """Return what each cluster adds to each head, 0 to most, ``(clusters, layers, heads, head_dim)``."""
        answers = train.once((self.name, self.target, "answers"), lambda: answer_differences(train, self.target))
        own = denoised(answers, self.variance)
        shift = torch.stack([own[member == k].mean(0) for k in member.unique().tolist()])
        shift = shift * strongest(own.mean(0), self.heads)
        if self.perception:
            shown = train.once((self.name, self.target, "shown"), lambda: perception_differences(train, self.target))
            seen = denoised(shown, self.variance).mean(0)
            shift = shift + self.perception * seen * strongest(seen, self.heads)
        return shift
