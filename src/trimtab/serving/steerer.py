"""What a worker does before and after each step: whose rows are steered how, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

import torch

from trimtab.engine import AddVector, Predictor, Sizes
from trimtab.errors import UsageError
from trimtab.serving.head_table import HeadTable
from trimtab.serving.networks import Networks
from trimtab.serving.offers import Offer
from trimtab.serving.phases import Layout
from trimtab.serving.places import site_of
from trimtab.serving.receipts import NOT_FINITE, Told
from trimtab.serving.rows import Chunk
from trimtab.serving.steered import Order, Steered
from trimtab.serving.table import Places, Room, Table
from trimtab.serving.vector_table import VectorTable

HEADS = "heads"
"""The site of edits of heads."""
LayerSite = tuple[str, int]
"""What of a layer can be edited, and which layer."""


class Steerer:
    """The steering of one worker's model.

    Attributes:
        tables: What edits each site: a table for each edit that one request may make there, in the order in which they
            act.
        idle: Whether no edit touches a row of the step, and none predicts.
        plain: Requests that are known to be plain.
    """

    def __init__(
        self, depths: Mapping[LayerSite, int], sizes: Sizes, room: Room, device: torch.device, *, compiled: bool = True
    ) -> None:
        """Make the tensors.

        Args:
            depths: The sites, and how many edits one request may make at each.
            sizes: The model's.
            room: How much to make room for.
            device: Where the model is.
            compiled: Whether a graph reads the tensors; if not, a step does only what its requests need.
        """
        self.places = Places(room, device, compiled=compiled)
        self.networks = {layer: Networks(room, sizes.hidden_size, device) for kind, layer in depths if kind != HEADS}
        self.tables: dict[LayerSite, list[Table]] = {}
        for (kind, layer), depth in sorted(depths.items()):
            heads = sizes.n_heads, sizes.head_dims[layer]
            self.tables[kind, layer] = [
                HeadTable(room, heads, self.places, device)
                if kind == HEADS
                else VectorTable(room, self.networks[layer], sizes.hidden_size, self.places, device)
                for _ in range(depth)
            ]
        self._sizes = [table.sizes for tables in self.tables.values() for table in tables]
        self.idle = True
        self.plain: set[str] = set()
        self._free = list(range(room.slots - 1, 0, -1))
        self._requests: dict[str, Steered] = {}
        self._now: list[Steered] = []

    def hold(self, offer: Offer) -> None:
        """Take an artifact's networks in.

        Raises:
            UsageError: It acts at a layer that cannot be steered, or there is no room for it.
        """
        for site, count in Counter(map(site_of, offer.unit)).items():
            if len(self.tables.get(site, ())) < count:
                ready = ", ".join(str(layer) for kind, layer in self.tables if kind == site[0]) or "none"
                what = "heads" if site[0] == HEADS else "added vectors"
                raise UsageError(
                    f"`artifact` must act at layers that the server made ready at its start ({ready} for {what}); "
                    f"{offer.name!r} makes {count} edits at layer {site[1]}; start the server with it."
                )
        try:
            for networks, network in self._networks(offer):
                networks.hold(network)
        except UsageError:
            self.drop(offer)
            raise

    def drop(self, offer: Offer) -> None:
        """Let an artifact's networks go."""
        for networks, network in self._networks(offer):
            networks.drop(network)

    def _networks(self, offer: Offer) -> Iterator[tuple[Networks, Predictor]]:
        """Yield an artifact's networks, each with its layer's."""
        for edit in offer.unit:
            if isinstance(edit, AddVector) and isinstance(edit.direction, Predictor):
                yield self.networks[edit.layer], edit.direction

    def in_use(self, digest: str) -> bool:
        """Whether a request is steered by an artifact."""
        return any(part.about["digest"] == digest for known in self._requests.values() for part in known.order.parts)

    def begin(self, chunks: Iterable[Chunk], order: Callable[[str], Order | None]) -> None:
        """Write a step's plan into the tensors.

        Args:
            chunks: The step's rows; those of requests in ``plain`` may be left out.
            order: Returns how a request is to be steered; None for a plain one. It is asked once of each.
        """
        self._clear()
        for chunk in chunks:
            try:
                known = self._requests.get(chunk.request) or self._admitted(chunk, order(chunk.request))
                if known is not None and known.error is None:
                    self._plan(chunk, known)
            except Exception as error:  # one request may fail, the others go on
                self._undo(chunk, f"steering failed ({type(error).__name__}: {error!s:.200})")
        self._send()

    def end(self) -> None:
        """Measure how large a change was, where an edit touched something for the first time."""
        if self.places.measuring:
            for known in self._now:
                known.measure()
        self._now = []

    def fail(self, reason: str) -> None:
        """Note that the step's steered requests were not steered, and let the step pass without."""
        now, self._now = self._now, []
        for known in now:
            known.error = known.error or reason
        self._clear()
        self.places.send()
        self.idle = True

    def refuse(self, request: str, reason: str) -> None:
        """Note that a request was not steered as it asked, whether or not it is known already."""
        known = self._requests.setdefault(request, Steered(Order(), Layout(1)))
        known.error = known.error or reason

    def check(self, requests: Iterable[str], logits: torch.Tensor) -> None:
        """Note which steered requests have logits that are no numbers; others are not looked at.

        Args:
            requests: Those of the step, in the order of the logits' rows.
            logits: ``(requests, vocabulary)``.
        """
        rows = {row: self._requests[name] for row, name in enumerate(requests) if name in self._requests}
        if not rows:
            return
        lost = logits[list(rows)].isnan().any(-1).tolist()
        for known in (known for known, is_lost in zip(rows.values(), lost, strict=True) if is_lost):
            known.error = known.error or f"its logits are {NOT_FINITE}; lower `strength`"

    def told(self, requests: Iterable[str]) -> dict[str, Told]:
        """Return what there is to tell of a step's requests that are steered."""
        known = self._requests
        return {name: known[name].told() for name in requests if name in known}

    def forget(self, living: Container[str]) -> None:
        """Free the slots of requests that are no more."""
        for name in [name for name in self._requests if name not in living]:
            known = self._requests.pop(name)
            known.leave()
            if known.slot:
                self._free.append(known.slot)
        for name in [name for name in self.plain if name not in living]:
            self.plain.discard(name)

    def _undo(self, chunk: Chunk, reason: str) -> None:
        """Leave the rows of one request as they are."""
        self.refuse(chunk.request, reason)
        known = self._requests[chunk.request]
        known.leave()
        self.places.leave(known.slot, slice(chunk.start, chunk.end))

    def _clear(self) -> None:
        """Begin a plan without steered rows."""
        self._now = []
        if self.places.measuring and not self.idle:
            torch._foreach_zero_(self._sizes)
        self.places.clear()

    def _send(self) -> None:
        """Have the model edit the plan's rows; a second step without any has nothing to send."""
        if self.places.acting or not self.idle:
            self.places.send()
        self.idle = not self.places.acting

    def _admitted(self, chunk: Chunk, order: Order | None) -> Steered | None:
        """Give a request that is new a slot, and put its edits there."""
        if order is None:
            self.plain.add(chunk.request)
            return None
        layout = Layout(chunk.length, order.named)
        known = self._requests[chunk.request] = Steered(order, layout, error=order.error, done=chunk.first)
        if known.error is not None:
            return known
        if not self._free:
            known.error = "the server has no room for another steered request"
            return known
        known.slot = self._free.pop()
        stages: Counter[LayerSite] = Counter()
        for number, part in enumerate(order.parts):
            for edit in part.edits:
                site = site_of(edit)
                stage, tables = stages[site], self.tables.get(site, [])
                if stage == len(tables):
                    known.error = (
                        f"the server made room for {len(tables)} edits of a request at layer {edit.layer}; start it "
                        "with all of these artifacts"
                    )
                    return known
                known.sit(number, edit, tables[stage])
                stages[site] += 1
        known.begin(chunk)
        return known

    def _plan(self, chunk: Chunk, known: Steered) -> None:
        """Write where one request's rows are, and which of its tokens they are."""
        self.places.put(known.slot, chunk, known.layout, known.touched, predicts=known.predicts)
        self.places.measuring |= known.count(chunk)
        self._now.append(known)
