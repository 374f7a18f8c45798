"""Put given states in the place of a layer's own: activation patching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor

from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.edits.checks import check_layer, check_number, check_tensor
from trimtab.engine.edits.edit import PlacedEdit, Site
from trimtab.engine.edits.places import ALL, GENERATED, Places, check_places, describe_places, resolve
from trimtab.engine.encoded import Encoded
from trimtab.errors import UsageError


@dataclass(frozen=True, eq=False)
class ReplaceStates(PlacedEdit):
    """Put given states in the place of a layer's output: those of another prompt, token by token.

    A state ``h`` becomes ``h + strength (v - h)``. What the layers above make of it is their own, keys and values
    included.

    Attributes:
        layer: Decoder block, 0-based; its output is replaced. Negative counts from the end.
        values: A state for each touched token, in the order of the prompt, ``(tokens, hidden)``.
        at: Where: names of places and indices of prompt tokens. ``all`` is every token of the prompt; what is generated
            afterwards has no state in another prompt and stays as it is.
        strength: 1 puts the given states in place, 0 is exactly the unedited model.
    """

    site: ClassVar[Site] = "layer"
    needs: ClassVar[Capability] = Capability.EDIT_STATES

    layer: int
    values: Float[Tensor, "tokens hidden"]
    at: Places = (ALL,)
    strength: float = 1.0

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        check_layer(model, self.layer, "ReplaceStates")
        check_places(self.at, "at", "ReplaceStates")
        if GENERATED in self.at:
            raise UsageError(
                f"`at` of ReplaceStates must be tokens of the prompt; got {self.at}; leave out {GENERATED!r}."
            )
        check_number(self.strength, "strength", "ReplaceStates", "1 puts the given states in place")
        remedy = "read them with Read(hidden=..., at=...)"
        check_tensor(self.values, (None, model.hidden_size), "values", "ReplaceStates", model, remedy)

    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""
        return (self.layer % model.n_layers,)

    def reach(self, prompt: Encoded) -> int:
        """Return the first token index the edit touches; earlier tokens may be reused from a cache."""
        return int(self.tokens(prompt)[0])

    def tokens(self, prompt: Encoded) -> Int[Tensor, " tokens"]:
        """Return the token indices that the values are for, ascending.

        Raises:
            UsageError: They are not as many as the values.
        """
        found = resolve(self.at, prompt, "at", "ReplaceStates").prompt.nonzero()[:, 0]
        if len(found) != len(self.values):
            raise UsageError(
                f"`values` of ReplaceStates must hold a state for each token touched, {len(found)} at "
                f"{describe_places(self.at)} in a prompt of {len(prompt)} tokens; got {len(self.values)}; read them "
                "from a prompt of the same layout."
            )
        return found
