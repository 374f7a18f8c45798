"""Which artifact of a server makes a row's edits, and at what strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.engine import AddVector, Encoded, Prompt, Row
from trimtab.errors import UnsupportedEngineError
from trimtab.serving.places import ServedEdit, amount_of, is_served, place_of
from trimtab.serving.wire import MOST

Place = tuple[str, int, str, str]
"""The kind of an edit, its layer, its rule of positions, and a digest of its numbers."""
Own = Sequence[tuple[Place, float]]
"""Where edits do what, each with its amount."""
Choice = tuple[Mapping[str, Any], float]
"""An artifact that a server offers, and a strength."""


class Offered:
    """What a server offers now, as it tells of it."""

    def __init__(self, told: Sequence[Mapping[str, Any]], name: str) -> None:
        self._told, self._name = told, name
        self._places: dict[tuple[int, object, int], tuple[object, Place]] = {}

    def asked(self, row: Row) -> dict[str, Any] | None:
        """Return what a request asks for to be edited as a row is; None for no edits.

        Raises:
            UnsupportedEngineError: The server offers no artifacts that make these edits, one after the other.
        """
        if not row.edits:
            return None
        own = [(self._place(edit), amount_of(edit)) for edit in row.edits if is_served(edit)]
        found = self._split(own) if len(own) == len(row.edits) else None
        if found is None:
            known = ", ".join(sorted({offer["name"] for offer in self._told})) or "none"
            raise UnsupportedEngineError(
                f"`edits` of a row must be those of artifacts that the server of {self._name} offers ({known}); got "
                f"{row.edits[0].name} and {len(row.edits) - 1} more, which none of them makes; start the server with "
                "the artifact, or load the model with trimtab.load."
            )
        asked = {
            "artifact": [offer["name"] for offer, _strength in found],
            "target": [offer["target"] for offer, _strength in found],
            "strength": [strength for _offer, strength in found],
        }
        asked = asked if len(found) > 1 else {name: values[0] for name, values in asked.items()}
        return asked | (_question(row.prompt) if any(offer["asks_for_question"] for offer, _ in found) else {})

    def _split(self, own: Own, used: Sequence[Choice] = ()) -> Sequence[Choice] | None:
        """Return artifacts whose edits are these, one after the other, each with its strength; None if none are."""
        if not own:
            return used
        for offer in self._told if len(used) < MOST else ():
            strength = _strength(own[: len(offer["edits"])], offer["edits"])
            if strength is None or any(offer is before for before, _ in used):
                continue
            found = self._split(own[len(offer["edits"]) :], (*used, (offer, strength)))
            if found is not None:
                return found
        return None

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


def _strength(own: Own, told: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the strength at which an artifact's edits are these; None if there is none."""
    units = [edit["strength"] for edit in told]
    if [place for place, _amount in own] != [_place(edit) for edit in told] or 0 in units:
        return None
    ratios = [amount / unit for (_place, amount), unit in zip(own, units, strict=True)]
    return ratios[0] if all(math.isclose(ratio, ratios[0], rel_tol=1e-6) for ratio in ratios) else None


def _question(prompt: Prompt | Encoded) -> dict[str, Any]:
    """Return the texts that are a prompt's question and its instruction; one in tokens is refused where it is sent."""
    if not isinstance(prompt, Prompt):
        return {}
    body, ranges = prompt.body()
    return {"question": [body[slice(*ranges[name])] for name in ("instruction", "question") if name in ranges]}
