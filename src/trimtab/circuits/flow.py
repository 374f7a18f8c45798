"""Where information flows: attention knockout between spans, layer by layer (Instruction Anchor, section 4)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trimtab.circuits.readouts import LABELS, Variant, intact, read_out, two_way_effect
from trimtab.circuits.task import Case, answered
from trimtab.engine import PARTS_OF, BlockAttention, Encoded, ModelOrEngine, Places, resolve
from trimtab.errors import UsageError
from trimtab.modalities import PAIR, SHOWN, Modality, in_order
from trimtab.progress import SILENT, Progress

if TYPE_CHECKING:
    from pandas import DataFrame

Indices = tuple[int, ...]
"""Token indices of a prompt, ascending."""

ANCHOR: Places = ("instruction", "question")
"""The paper's instruction tokens: the sentence that names the modality, and the question."""

ENDING = "ending"
"""The template's own tokens between the last named part and the last prompt token."""


@dataclass(frozen=True)
class Edge:
    """Attention from a target to a source, cut in a knockout.

    Attributes:
        name: What to call it, ``source to target``.
        source: Names of places; ``ending`` is known too.
        target: The same.
        control: Cut as many random earlier tokens that hold no cue instead of the source, in the cases that name this
            modality, whose cue the source is: what any cut of this size does.
    """

    name: str
    source: Places
    target: Places
    control: Modality | None = None

    def ends(self, case: Case, seed: int = 0) -> tuple[Indices, Indices] | None:
        """Return the token indices of source and target in one case; None if its prompt has no such edge."""
        source, target = tokens(case.prompt, self.source), tokens(case.prompt, self.target)
        if not source or not target or source[0] >= target[-1]:
            return None
        if self.control is None:
            return source, target
        drawn = _random_source(case, len(source), target, seed) if case.target == self.control else None
        return None if drawn is None else (drawn, target)


def edges_among(modalities: Iterable[Modality]) -> tuple[Edge, ...]:
    """Return the paper's edges among modalities, with controls of every cue's edge.

    From each cue to the instruction, the last token and the template's ending, which the paper does not name; from what
    is shown to the context; and from the instruction on.
    """
    among = in_order(modalities)
    cues = {modality: PARTS_OF[modality] for modality in among}
    names = {modality: " and ".join(parts) for modality, parts in cues.items()}
    to_context = [m for m in among if m != "text"] if "text" in among else []
    return (
        *(Edge(f"{names[m]} to instruction", cues[m], ANCHOR) for m in among),
        *(Edge(f"{names[m]} to context", cues[m], cues["text"]) for m in to_context),
        *(Edge(f"{names[m]} to last", cues[m], ("last",)) for m in among),
        *(Edge(f"{names[m]} to ending", cues[m], (ENDING,)) for m in among),
        Edge("instruction to last", ANCHOR, (ENDING, "last")),
        Edge("naming sentence to question", ("instruction",), ("question",)),
        *(Edge(f"random for {names[m]} to instruction", cues[m], ANCHOR, control=m) for m in among),
    )


EDGES = edges_among(PAIR)
"""The edges of the pair."""


def tokens(prompt: Encoded, places: Places) -> Indices:
    """Return the token indices of places, ``ending`` included; none where the prompt lacks them all."""
    known = tuple(p for p in places if p != ENDING and (not isinstance(p, str) or len(prompt.spans.get(p, ()))))
    found = set(resolve(known, prompt, "places", "flow").prompt.nonzero()[:, 0].tolist()) if known else set()
    if ENDING in places:
        found |= set(_ending(prompt))
    return tuple(sorted(found))


def _ending(prompt: Encoded) -> range:
    named = [int(span[-1]) for name, span in prompt.spans.items() if name != "last" and len(span)]
    return range(max(named) + 1, len(prompt) - 1)


def _random_source(case: Case, size: int, target: Indices, seed: int) -> Indices | None:
    """Draw as many tokens as the named cue has from those before the target; None where there are too few.

    The template's own tokens hold no cue. Where they are too few and the text is named, those of what is shown are
    drawn from too, though that cuts a part of what competes. The context's never are: its few words are the competing
    cue, and cutting that whole changes following by itself.
    """
    shown = {token for kind in SHOWN for token in tokens(case.prompt, PARTS_OF[kind])}
    context = set(tokens(case.prompt, PARTS_OF["text"]))
    # Not the first token, on which heads that have nothing to read rest their attention.
    before = [i for i in range(1, target[0]) if i not in context]
    pools = [[i for i in before if i not in shown], *([before] if case.target == "text" else [])]
    pool = next((pool for pool in pools if len(pool) >= size), None)
    if pool is None:
        return None
    draw = random.Random(hashlib.sha256(f"{seed} {case.item.id}".encode()).digest())
    return tuple(sorted(draw.sample(pool, size)))


def window(center: int, size: int, n_layers: int) -> tuple[int, ...]:
    """Return the layers of a window around a layer, cut off at both ends of the model."""
    start = center - (size - 1) // 2
    return tuple(layer for layer in range(start, start + size) if 0 <= layer < n_layers)


def knockout(
    model: ModelOrEngine,
    cases: Sequence[Case],
    edges: Sequence[Edge] | None = None,
    *,
    size: int = 3,
    seed: int = 0,
    progress: Progress = SILENT,
) -> DataFrame:
    """Cut each edge in a window around each layer, one row of a batch for every window.

    Args:
        model: The model.
        cases: The cases.
        edges: The edges; left out, ``edges_among`` the modalities of the items.
        size: Layers of a window; the paper does not give its own. An even window reaches one layer further up.
        seed: Draws the random controls.
        progress: Told of rows as they finish.

    Returns:
        A row for each case, edge and layer at the centre of the window: ``id, task, target, edge, size, layer``, the
        margins ``before`` and ``after`` with their ``change``, ``effect`` (``two_way_effect``), and ``label_before``
        and ``label_after``. Cases that lack an edge have no rows for it.

    Raises:
        UsageError: No case has the edge, unless it is a control or one to the ending; or the window is empty.
    """
    if size < 1:
        raise UsageError(f"`size` of knockout must be at least 1 layer; got {size}; 3 is the default.")
    from pandas import DataFrame

    rows = []
    for edge in edges_among(m for case in cases for m in answered(case.item)) if edges is None else edges:
        ends = {case: found for case in cases if (found := edge.ends(case, seed)) is not None}
        optional = edge.control is not None or edge.target == (ENDING,)  # templates may be too short
        if not ends and not optional:
            raise UsageError(
                f"`edges` of knockout must be in at least one of the {len(cases)} cases; got {edge.name!r}."
            )
        if ends:
            rows += _curve(model, ends, edge, size, progress)
    return DataFrame(rows)


def _curve(
    model: ModelOrEngine, ends: dict[Case, tuple[Indices, Indices]], edge: Edge, size: int, progress: Progress
) -> list[dict[str, Any]]:
    cases = list(ends)
    windows = [window(layer, size, model.n_layers) for layer in range(model.n_layers)]
    found = read_out(model, cases, [intact, *(_cut(ends, layers) for layers in windows)], progress)
    before, after = found.margins[:, :1], found.margins[:, 1:]
    effects, changes = two_way_effect(before, after), after - before
    return [
        {
            "id": case.item.id,
            "task": case.item.task,
            "target": case.target,
            "edge": edge.name,
            "size": size,
            "layer": layer,
            "before": float(before[row, 0]),
            "after": float(after[row, layer]),
            "effect": float(effects[row, layer]),
            "change": float(changes[row, layer]),
            "label_before": LABELS[int(found.labels[row, 0])],
            "label_after": LABELS[int(found.labels[row, layer + 1])],
        }
        for row, case in enumerate(cases)
        for layer in range(model.n_layers)
    ]


def _cut(ends: dict[Case, tuple[Indices, Indices]], layers: tuple[int, ...]) -> Variant:
    return lambda case: (BlockAttention(*ends[case], layers),)
