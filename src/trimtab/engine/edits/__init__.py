"""Edits as plain data: what to change, where, and how strongly.

An edit holds names, numbers and tensors only, so another engine can apply the same edit without our hooks.
"""

from trimtab.engine.edits.attention import BlockAttention
from trimtab.engine.edits.boost import BoostAttention, FlattenAttention, LinearScoreEdit, ScoreEdit
from trimtab.engine.edits.checks import check_heads, check_layer
from trimtab.engine.edits.heads import HeadEdit, ReplaceHeads, ScaleHeads
from trimtab.engine.edits.places import ALL, GENERATED, PLACES, Places, Resolved, resolve
from trimtab.engine.edits.redistribute import RedistributeAttention
from trimtab.engine.edits.vector import POSITIONS, AddVector, Positions, Predictor, covered

Edit = (
    AddVector | ScaleHeads | ReplaceHeads | BlockAttention | BoostAttention | FlattenAttention | RedistributeAttention
)
"""Any edit the engine can apply."""


def span_names(edit: Edit) -> set[str]:
    """Return the spans of a prompt that an edit must know the place of."""
    if isinstance(edit, AddVector):
        return set()
    places = edit.at if isinstance(edit, HeadEdit) else (*edit.source, *edit.target)
    if isinstance(edit, RedistributeAttention):
        places = (*places, *edit.sinks)
    return {place for place in places if isinstance(place, str)} - {ALL, GENERATED}


__all__ = [
    "ALL",
    "GENERATED",
    "PLACES",
    "POSITIONS",
    "AddVector",
    "BlockAttention",
    "BoostAttention",
    "Edit",
    "FlattenAttention",
    "HeadEdit",
    "LinearScoreEdit",
    "Places",
    "Positions",
    "Predictor",
    "RedistributeAttention",
    "ReplaceHeads",
    "Resolved",
    "ScaleHeads",
    "ScoreEdit",
    "check_heads",
    "check_layer",
    "covered",
    "resolve",
    "span_names",
]
