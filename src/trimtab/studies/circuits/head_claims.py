"""The claims about which heads: what blocking them destroys and leaves, and what amplifying them repairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.modalities import FACTS, Modality
from trimtab.studies.circuits.summary import modalities_of, together
from trimtab.studies.circuits.verdicts import Claim, Verdict, each_of
from trimtab.studies.kit.records import Record

LOST = 0.6
"""Share of the following above chance that is lost where it is destroyed: the drop of the paper's first version."""


def chance_of(modalities: Sequence[Modality]) -> float:
    """Return what a model without any instruction information follows of the instructions for some modalities.

    Its one answer is right under one of them. Only what lies above it can be lost with the heads that carry the
    instruction.
    """
    return 1 / len(modalities)


def sparse_heads(summary: dict[str, Any]) -> Claim:
    """A few heads decide."""
    among = modalities_of(summary)
    chance, above_chance = chance_of(among), f"above {_share(among)}"
    intact, blocked = (_rate(summary, name, "following") for name in ("intact", "blocked"))
    drawn = [
        row
        for row in _rates_like(summary, "random ")
        if row["measure"] == "following" and row["condition"].removeprefix("random ").isdigit()
    ]
    drop, above = -blocked["difference"], intact["rate"] - chance
    other = max((abs(row["difference"]) for row in drawn), default=0.0)
    verdict: Verdict = "unclear"
    evidence = f"following {intact['rate']:.3f} intact, {blocked['rate']:.3f} blocked "
    if above <= 0:
        evidence += f"(nothing {above_chance} to lose)"
    else:
        lost = drop / above
        verdict = "yes" if lost >= LOST and other <= 0.05 else "no" if lost < 0.3 or other >= drop else "unclear"
        evidence += f"({drop / intact['rate']:.0%} of it lost, {lost:.0%} of what is {above_chance})"
    return Claim(
        f"{summary['choice']['share']:.0%} of the heads carry following: blocking them destroys it, blocking random "
        "ones does not.",
        verdict,
        f"{evidence}; random sets change it by at most {100 * other:.1f} points; {_smallest_set(summary)}",
        f"yes: at least {LOST:.0%} of the following {above_chance} is lost and random sets change it by at most 5 "
        f"points; no: less than 30%, or random sets do as much; unclear where nothing is {above_chance}, which is what "
        f"a model without any instruction information follows of {_number(among)} opposite instructions",
        blocked["n"] // len(among),  # an item is asked under every instruction
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
    rows = [_rate(summary, "blocked", measure) for measure in summary["abilities"]]
    worst = min(rows, key=lambda row: row["difference"])
    drop = -worst["difference"]
    verdict: Verdict = "yes" if drop <= 0.03 else "no" if worst["difference_high"] < -0.03 else "unclear"
    return Claim(
        f"Blocking these heads preserves {' and '.join(FACTS[m].sense for m in modalities_of(summary))}.",
        verdict,
        "; ".join(f"{row['measure']}: {100 * row['difference']:+.1f} points" for row in rows),
        "yes: no plain ability falls by more than 3 points; no: one falls by more than that with its whole interval",
        min(row["n"] for row in rows),
    )


def repair(summary: dict[str, Any]) -> Claim:
    """Amplifying repairs failures."""
    among = modalities_of(summary)
    row = next(row for row in summary["recovery"] if row["target"] == together(among))
    share, name = row["able_repaired"], summary["choice"]["amplification"]
    if share is None:
        verdict: Verdict = "unclear"
        evidence = f"no failure of an item that the model answers from {each_of(among)} modality alone"
    else:
        verdict = "yes" if share >= 0.5 and row["net"] > 0 else "no" if share < 0.2 else "unclear"
        evidence = (
            f"{name} repairs {share:.0%} of {row['able_failed']} failures, breaks {row['broken'] or 0:.0%} of "
            f"{row['followed']} successes, net {100 * row['net']:+.1f} points"
        )
    return Claim(
        "Amplifying these heads repairs failed items (the paper: up to about 60 %).",
        verdict,
        evidence,
        "yes: at least half of the failures of able items are repaired and following rises; no: less than a fifth",
        row["able_failed"],
    )


def _rate(summary: dict[str, Any], condition: str, measure: str) -> Record:
    return next(r for r in summary["rates"] if (r["condition"], r["measure"]) == (condition, measure))


def _rates_like(summary: dict[str, Any], start: str) -> list[Record]:
    return [row for row in summary["rates"] if row["condition"].startswith(start)]


def _share(modalities: Sequence[Modality]) -> str:
    """Write ``chance_of`` in words."""
    return "one half" if len(modalities) == 2 else f"1/{len(modalities)}"


def _number(modalities: Sequence[Modality]) -> str:
    return "two" if len(modalities) == 2 else f"{len(modalities)}"
