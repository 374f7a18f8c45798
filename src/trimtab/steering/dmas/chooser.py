"""Which cluster's vectors a prompt gets: those of the training items that it is most like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from trimtab.engine import Capability, Edit, Read, Readings, ShiftHeads
from trimtab.errors import UsageError
from trimtab.steering.chooser import register_chooser
from trimtab.steering.looking import LookingChooser

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class ClusterChooser(LookingChooser):
    """Vectors for heads, one set for each cluster, and the keys by which a prompt finds its own.

    Attributes:
        layer: Where keys are read, 0-based.
        layers: The layer of each head that is shifted.
        heads: Its number in that layer.
        center: What is taken off states before they are compared, ``(hidden,)``.
        keys: Each cluster's direction, ``(clusters, hidden)``.
        shifts: What is added, ``(clusters, shifted heads, head_dim)``.
    """

    kind: ClassVar[str] = "clusters"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.HIDDEN, Capability.EDIT_HEADS})
    has_strength: ClassVar[bool] = True

    layer: int
    layers: Sequence[int]
    heads: Sequence[int]
    center: Tensor
    keys: Tensor
    shifts: Tensor

    def __post_init__(self) -> None:
        count = self.shifts.shape[1] if self.shifts.ndim == 3 else 0
        if not count or len(self.layers) != count or len(self.heads) != count:
            raise UsageError(
                f"'layers', 'heads' and 'shifts' must be of the same heads, at least one; got {len(self.layers)}, "
                f"{len(self.heads)} and {count}."
            )

    def read(self, artifact: Artifact) -> Read:
        """Return the layer in which clusters were found."""
        return Read(logits=False, hidden=(self.layer,))

    def edits_seen(self, seen: Readings, artifact: Artifact, strength: float) -> list[tuple[Edit, ...]]:
        """Shift the heads by the vectors of the cluster that has the largest cosine with a prompt's plain state."""
        states = normalize(seen.hidden[self.layer] - self.center, dim=-1)
        nearest = (states @ normalize(self.keys, dim=-1).T).argmax(-1).tolist()
        return [self._shifted(cluster, strength) for cluster in nearest]

    def _shifted(self, cluster: int, strength: float) -> tuple[Edit, ...]:
        places = torch.tensor(self.layers)
        edits = []
        for layer in dict.fromkeys(self.layers):
            own = (places == layer).nonzero().flatten()
            heads = tuple(self.heads[k] for k in own.tolist())
            edits.append(ShiftHeads(layer, heads, ("last", "generated"), self.shifts[cluster, own], strength))
        return tuple(edits)
