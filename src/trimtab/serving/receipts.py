"""A request's receipt in two parts: a card, which seldom changes, and counts, which every step adds to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.serving.phases import GENERATED

NOT_FINITE = "beyond what the server's numbers can hold"
"""What the reason says where steering was too strong; clients know it by these words."""
Card = dict[str, Any]
"""A receipt whose edits tell the phases of the tokens that they touch, in the place of how many these are."""
Told = tuple[list[int], Card | None]
"""How many tokens of each phase were computed, and the card if it has changed."""


def receipt(card: Mapping[str, Any], counts: Sequence[int]) -> dict[str, Any]:
    """Return a receipt as it is given to a client.

    Args:
        card: What the worker said of the request's edits.
        counts: How many tokens of each phase were computed.
    """
    artifacts = [part | {"edits": [_edit(edit, counts) for edit in part["edits"]]} for part in card["artifacts"]]
    return {**card, "artifacts": artifacts}


def _edit(edit: Mapping[str, Any], counts: Sequence[int]) -> dict[str, Any]:
    generated = counts[GENERATED] if GENERATED in edit["phases"] else 0
    return {
        "edit": edit["edit"],
        "layer": edit["layer"],
        "rows": 1,
        "prompt_positions": sum(counts[phase] for phase in edit["phases"]) - generated,
        "generated_positions": generated,
        "relative_change": edit["relative_change"],
    }
