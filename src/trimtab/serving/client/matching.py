"""Which artifact of a server makes a row's edits, and at what strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.engine import AddVector, Edit
from trimtab.errors import UnsupportedEngineError
from trimtab.serving.places import ServedEdit, amount_of, is_served, place_of

Place = tuple[str, int, str | None, str]
"""The kind of an edit, its layer, its rule of positions, and a digest of its numbers."""


class Offered:
    """What a server offers now, as it tells of it."""

    def __init__(self, told: Sequence[Mapping[str, Any]], name: str) -> None:
        self._told, self._name = told, name
        self._places: dict[tuple[int, object, int], tuple[object, Place]] = {}

    def asked(self, edits: Sequence[Edit]) -> dict[str, Any] | None:
        """Return what a request asks for to be edited so; None for no edits.

        Raises:
            UnsupportedEngineError: The server offers no artifact that makes these edits.
        """
        if not edits:
            return None
        own = {self._place(edit): amount_of(edit) for edit in edits if is_served(edit)}
        if len(own) == len(edits):
            for offer in self._told:
                strength = _strength(own, offer["edits"])
                if strength is not None:
                    return {"artifact": offer["name"], "target": offer["target"], "strength": strength}
        known = ", ".join(sorted({offer["name"] for offer in self._told})) or "none"
        raise UnsupportedEngineError(
            f"`edits` of a row must be those of an artifact that the server of {self._name} offers ({known}); got "
            f"{edits[0].name} and {len(edits) - 1} more, which none of them makes; start the server with the artifact, "
            "or load the model with trimtab.load."
        )

    def _place(self, edit: ServedEdit) -> Place:
        """Return where an edit does what; the digest of a vector that many rows share is taken once."""
        if not isinstance(edit, AddVector):
            return _place(place_of(edit))
        key = edit.layer, edit.positions, id(edit.direction)
        if key not in self._places:
            self._places[key] = edit.direction, _place(place_of(edit))
        return self._places[key][1]


def _place(told: Mapping[str, Any]) -> Place:
    return told["edit"], told["layer"], told["positions"], told["digest"]


def _strength(own: Mapping[Place, float], told: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the strength at which an artifact's edits are a row's own; None if there is none."""
    theirs = {_place(edit): edit["strength"] for edit in told}
    if set(own) != set(theirs) or 0 in theirs.values():
        return None
    ratios = [own[place] / unit for place, unit in theirs.items()]
    return ratios[0] if all(math.isclose(ratio, ratios[0], rel_tol=1e-6) for ratio in ratios) else None
