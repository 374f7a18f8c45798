"""``ReplaceStates``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trimtab.engine.edits import ReplaceStates
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.kernel import KERNELS, Kernel, relative_size
from trimtab.engine.local.place import Place
from trimtab.engine.receipt import Entry
from trimtab.models import Model

OWN = -1
"""Instead of a number of a given state: the token keeps its own."""


@KERNELS.register
class ReplaceStatesKernel(Kernel[ReplaceStates]):
    """``ReplaceStates`` on the outputs of a layer, ``(rows, length, hidden)``."""

    edit = ReplaceStates.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[ReplaceStates],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        device = self.rows.device
        self.strengths = torch.tensor([float(edit.strength) for edit in edits], device=device)
        self.values = pad_sequence([edit.values.to(device, torch.float32) for edit in edits], batch_first=True)
        # Which given state each token of a row gets; one more column than the longest prompt, for what is generated.
        self.given = torch.full((len(rows), max(map(len, prompts)) + 1), OWN, device=device)
        for row, (edit, prompt) in enumerate(zip(edits, prompts, strict=True)):
            tokens = edit.tokens(prompt).to(device)
            self.given[row, tokens] = torch.arange(len(tokens), device=device)

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the states with the given ones in place where the edits say."""
        index = place.index[self.rows]
        given = self.given.gather(1, index.clamp(0, self.given.shape[1] - 1))
        touched = (given != OWN) & (index >= 0)
        if not touched.any():
            return states
        own = states[self.rows]
        row = torch.arange(len(own), device=own.device)[:, None]
        # Both ends of this interpolation are exact: strength 0 is the own state and 1 the given one.
        mixed = torch.lerp(own.float(), self.values[row, given.clamp_min(0)], self.strengths[:, None, None])
        changed = torch.where(touched[..., None], mixed.to(own.dtype), own)
        states = states.clone()
        states[self.rows] = changed
        self.record(touched, place, relative_size(changed - own, own))
        return states

    def keep(self, held: Tensor) -> None:
        """Keep the states of some rows."""
        self.strengths, self.values, self.given = self.strengths[held], self.values[held], self.given[held]
