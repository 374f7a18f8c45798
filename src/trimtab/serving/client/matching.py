"""Which artifact of a server makes a row's edits, and at what strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.engine import AddVector, Edit
from trimtab.errors import UnsupportedEngineError
from trimtab.serving.places import digest_of


class Offered:
    """What a server offers now, as it tells of it."""

    def __init__(self, told: Sequence[Mapping[str, Any]], name: str) -> None:
        self._told, self._name = told, name
        self._digests: dict[int, tuple[object, str]] = {}

    def asked(self, edits: Sequence[Edit]) -> dict[str, Any] | None:
        """Return what a request asks for to be edited so; None for no edits.

        Raises:
            UnsupportedEngineError: The server offers no artifact that makes these edits.
        """
        if not edits:
            return None
        own = {self._place(edit): edit.strength for edit in edits if type(edit) is AddVector}
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

    def _place(self, edit: AddVector) -> tuple[int, str, str]:
        """Return where an edit adds what; the digest of what many rows share is taken once."""
        key = id(edit.direction)
        if key not in self._digests:
            self._digests[key] = edit.direction, digest_of(edit.direction)
        return edit.layer, edit.positions, self._digests[key][1]


def _strength(own: Mapping[tuple[int, str, str], float], told: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the strength at which an artifact's edits are a row's own; None if there is none."""
    theirs = {(edit["layer"], edit["positions"], edit["vector"]): edit["strength"] for edit in told}
    if set(own) != set(theirs) or 0 in theirs.values():
        return None
    ratios = [own[place] / unit for place, unit in theirs.items()]
    return ratios[0] if all(math.isclose(ratio, ratios[0], rel_tol=1e-6) for ratio in ratios) else None
