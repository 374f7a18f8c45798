"""The claims about which heads: what blocking them destroys and leaves, and what amplifying them repairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.modalities import FACTS, Modality
from trimtab.studies.circuits.losses import is_random_set
from trimtab.studies.circuits.summary import modalities_of, together
from trimtab.studies.circuits.verdicts import FEWEST, Claim, decided, each_of
from trimtab.studies.kit.records import Record
from trimtab.studies.kit.statistics import unseen_share

LOST = 0.6
"""Share of the following above chance that is lost where it is destroyed: the drop of the paper's first version."""

LEFT = 0.3
"""Share of it that may be lost where it is not destroyed."""

FALL = 0.03
"""By how much a plain ability may fall and be kept."""

REPAIRED = 0.5
"""Share of the failures that is repaired where failures are: the paper has up to about 60 %."""


def chance_of(modalities: Sequence[Modality]) -> float:
    """Return what a model without any instruction information follows of the instructions for some modalities.

    Its one answer is right under one of them. Only what lies above it can be lost with the heads that carry the
    instruction.
    """
    return 1 / len(modalities)


def sparse_heads(summary: dict[str, Any]) -> Claim:
    """A few heads decide."""
    among = modalities_of(summary)
    above_chance = f"above {_share(among)}"
    intact, blocked = (_rate(summary, name, "following") for name in ("intact", "blocked"))
    lost = {row["condition"]: row for row in summary["lost"]}
    own, drawn = lost["blocked"], [row for name, row in lost.items() if is_random_set(name)]
    evidence = f"following {intact['rate']:.3f} intact, {blocked['rate']:.3f} blocked"
    known = [row for row in (own, *drawn) if row["lost_low"] is not None]
    if len(known) == len(lost):
        most = max(drawn, key=lambda row: row["lost"])
        evidence += f": {_interval(own, 'lost')} of what is {above_chance} is lost, by random sets at most "
        evidence += _interval(most, "lost")
    else:
        evidence += f" (that there is something {above_chance} to lose is not shown)"
    return Claim(
        f"{summary['choice']['share']:.0%} of the heads carry following: blocking them destroys it, blocking random "
        "ones does not.",
        decided(
            yes=len(known) == len(lost) and own["lost_low"] >= LOST and all(r["lost_high"] < LEFT for r in drawn),
            no=own in known and (own["lost_high"] < LOST or any(r["lost_low"] >= LEFT for r in drawn if r in known)),
            items=own["items"],
        ),
        f"{evidence}; {_smallest_set(summary)}",
        f"yes: with its whole interval, at least {LOST:.0%} of the following {above_chance} is lost, and less than "
        f"{LEFT:.0%} by each random set; no: less than {LOST:.0%} is lost, or at least {LEFT:.0%} by a random set; "
        f"{_share(among)} is what a model without any instruction information follows of {_number(among)} opposite "
        "instructions; the intervals of the random sets hold together",
        own["items"],
    )


def _smallest_set(summary: dict[str, Any]) -> str:
    """Say how many of the best heads must be blocked to lose most of the following above chance."""
    start, intact, among = "blocked top ", _rate(summary, "intact", "following")["rate"], modalities_of(summary)
    sizes = {
        int(row["condition"].removeprefix(start)): row["rate"]
        for row in _rates_like(summary, start)
        if row["measure"] == "following" and row["condition"].removeprefix(start).isdigit()
    }
    sizes[summary["choice"]["count"]] = _rate(summary, "blocked", "following")["rate"]
    enough = [size for size, rate in sizes.items() if 0 < LOST * (intact - chance_of(among)) <= intact - rate]
    if not enough:
        return f"no set up to the best {max(sizes)} loses {LOST:.0%} of what is above {_share(among)}"
    size = f"{min(enough)} {'head' if min(enough) == 1 else 'heads'}"
    return f"the smallest set tried that loses {LOST:.0%} of what is above {_share(among)} has {size}"


def abilities_kept(summary: dict[str, Any]) -> Claim:
    """Blocking leaves plain abilities."""
    rows, items = summary["ability_changes"], min(row["n"] for row in summary["ability_changes"])
    needed = next(n for n in range(FEWEST, 10**6) if unseen_share(n, len(rows)) <= FALL)
    return Claim(
        f"Blocking these heads preserves {' and '.join(FACTS[m].sense for m in modalities_of(summary))}.",
        decided(
            yes=all(row["low"] >= -FALL for row in rows),
            no=any(row["high"] < -FALL for row in rows),
            items=items,
            needed=needed,
        ),
        "; ".join(
            f"{row['measure']}: {100 * row['difference']:+.1f} points ({100 * row['low']:+.1f} to "
            f"{100 * row['high']:+.1f}) of {row['n']} items"
            for row in rows
        ),
        f"yes: with its whole interval, no plain ability falls by more than {100 * FALL:.0f} points; no: one does; the "
        "intervals hold together",
        items,
        needed,
    )


def repair(summary: dict[str, Any]) -> Claim:
    """Amplifying repairs failures."""
    among = modalities_of(summary)
    row = next(row for row in summary["recovery"] if row["target"] == together(among))
    evidence = f"no failure of an item that the model answers from {each_of(among)} modality alone"
    yes = no = False
    if row["able_repaired"] is not None:
        yes = row["able_repaired_low"] >= REPAIRED and row["net_low"] > 0
        no = row["able_repaired_high"] < REPAIRED
        evidence = (
            f"{summary['choice']['amplification']} repairs {_interval(row, 'able_repaired')} of {row['able_failed']} "
            f"failures, breaks {row['broken'] or 0:.0%} of {row['followed']} successes, net "
            f"{100 * row['net']:+.1f} points ({100 * row['net_low']:+.1f} to {100 * row['net_high']:+.1f})"
        )
    return Claim(
        "Amplifying these heads repairs failed items (the paper: up to about 60 %).",
        decided(yes=yes, no=no, items=row["able_items"]),
        evidence,
        f"yes: with its whole interval, at least {REPAIRED:.0%} of the failures of able items are repaired, and "
        f"following is shown to rise; no: less than {REPAIRED:.0%} are",
        row["able_items"],
    )


def _interval(row: Record, name: str) -> str:
    """Write a share with its interval, in percent."""
    return f"{row[name]:.0%} ({row[f'{name}_low']:.0%} to {row[f'{name}_high']:.0%})"


def _rate(summary: dict[str, Any], condition: str, measure: str) -> Record:
    return next(r for r in summary["rates"] if (r["condition"], r["measure"]) == (condition, measure))


def _rates_like(summary: dict[str, Any], start: str) -> list[Record]:
    return [row for row in summary["rates"] if row["condition"].startswith(start)]


def _share(modalities: Sequence[Modality]) -> str:
    """Write ``chance_of`` in words."""
    return "one half" if len(modalities) == 2 else f"1/{len(modalities)}"


def _number(modalities: Sequence[Modality]) -> str:
    return "two" if len(modalities) == 2 else f"{len(modalities)}"
