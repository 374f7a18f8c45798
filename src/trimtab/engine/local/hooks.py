"""Apply edits by forward hooks that know which token each position is, and always come off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels import KERNELS, Kernel
from trimtab.engine.local.place import Place
from trimtab.engine.local.sites import SITES, LayerSite, Now
from trimtab.engine.receipt import Receipt
from trimtab.models import Model


class EditSession:
    """The edits of one batch of rows, each row with its own.

    The caller tells the tokens of every forward pass (``advance``) before it; the edits then know which token each
    position is, under padding, with a cached prefix, and while decoding.

    Attributes:
        place: Which token every position of the coming forward pass is.
    """

    def __init__(
        self,
        model: Model,
        edits: Sequence[Sequence[Edit]],
        prompts: Sequence[Encoded],
        receipts: defaultdict[int, Receipt],
    ) -> None:
        """Make edits ready.

        Args:
            model: The model.
            edits: Each row's edits.
            prompts: Each row's prompt.
            receipts: Where to count what is touched, by an edit's place in its row's list of edits.
        """
        lengths = torch.tensor([len(p) for p in prompts], device=prompts[0].ids.device)
        nothing = lengths.new_empty(len(lengths), 0)
        self.place = Place(nothing, lengths, nothing)
        self._model = model
        self._kernels = _kernels(model, edits, prompts, receipts)

    def advance(self, index: Tensor, cached: Tensor | None = None) -> None:
        """Tell the tokens of the coming forward pass.

        Args:
            index: Their indices, each in its own row, -1 at padding, ``(rows, length)``.
            cached: Indices of what a given cache already holds; left out, what came before in this session.
        """
        before = self.place.keys if cached is None else cached
        self.place = Place(index, self.place.lengths, torch.cat([before, index], dim=1))

    def move_to(self, index: Tensor, keys: Tensor, fresh: Tensor) -> None:
        """Tell all of the coming forward pass, whatever came before; see ``Place``."""
        self.place = Place(index, self.place.lengths, keys, fresh)

    @property
    def sites(self) -> list[LayerSite]:
        """Where the edits act."""
        return [*self._kernels]

    @contextmanager
    def attached(self) -> Iterator[EditSession]:
        """Keep the hooks on inside the block, whatever happens there."""
        with edit_hooks(self._model, self._kernels, lambda: self):
            yield self

    def narrow(self, kept: Tensor) -> None:
        """Go on with some of the rows only; the others have their answers.

        Args:
            kept: Numbers of the rows that go on, ascending, ``(rows,)``.
        """
        self.place = Place(self.place.index[kept], self.place.lengths[kept], self.place.keys[kept])
        for kernels in self._kernels.values():
            for kernel in kernels:
                kernel.narrow(kept)

    def edit(
        self,
        site: LayerSite,
        states: Tensor,
        *,
        mask: Tensor | None = None,
        entered: Tensor | None = None,
        queries: slice | None = None,
    ) -> Tensor:
        """Return what a site hands on, with the rows' edits made; see ``Editing``."""
        place = self.place
        if mask is not None or entered is not None:
            place = replace(place, mask=mask, entered=entered)
        if queries is not None:
            place = place.of(queries)
        for kernel in self._kernels.get(site, ()):
            kernel.entry.passes += queries is None or queries.start == 0
            states = kernel.apply(states, place)
        return states


@contextmanager
def edit_hooks(model: Model, sites: Iterable[LayerSite], now: Now) -> Iterator[None]:
    """Hook the sites; each forward pass is edited by the session there is at that moment, if there is one."""
    with ExitStack() as stack:
        for site, layer in sites:
            stack.enter_context(SITES[site](model, layer, now))
        yield


def edited_sites(model: Model, edits: Iterable[Edit]) -> list[LayerSite]:
    """Return the sites that edits act at, each once."""
    return sorted({(edit.site, layer) for edit in edits for layer in edit.at_layers(model)})


def _kernels(
    model: Model, edits: Sequence[Sequence[Edit]], prompts: Sequence[Encoded], receipts: dict[int, Receipt]
) -> dict[LayerSite, list[Kernel]]:
    """Group the rows' edits so that one tensor operation serves many rows; a row's own order is kept."""
    groups: dict[tuple[LayerSite, int, Hashable], tuple[list[int], list[Edit]]] = {}
    for row, row_edits in enumerate(edits):
        for order, edit in enumerate(row_edits):
            kind = (edit.name, KERNELS.named(type(edit).__name__).apart(edit))
            for layer in edit.at_layers(model):
                rows, members = groups.setdefault(((edit.site, layer), order, kind), ([], []))
                rows.append(row)
                members.append(edit)
    kernels: dict[LayerSite, list[Kernel]] = {}
    for (site, order, _kind), (rows, members) in sorted(groups.items(), key=lambda group: group[0][:2]):
        entry = receipts[order].entry(members[0].name, site[1])
        make = KERNELS.named(type(members[0]).__name__)
        kernels.setdefault(site, []).append(make(model, rows, members, [prompts[row] for row in rows], entry))
    return kernels
