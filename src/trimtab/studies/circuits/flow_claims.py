"""The claims about where: paths, layers, and what the tokens hold.

No rule takes the strongest layer at its face value. What is shown is shown after correction for all layers of the
curve; what is said not to be there is below a bound at every layer at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from trimtab.modalities import Modality, place_of
from trimtab.studies.circuits.summary import modalities_of, together
from trimtab.studies.circuits.verdicts import (
    FEWEST,
    Claim,
    decided,
    interval,
    least,
    most,
    nats,
    none_followed,
    tested,
)
from trimtab.studies.circuits.verdicts import (
    shown as is_shown,
)
from trimtab.studies.kit.records import Record

SHALLOW = 0.6
"""Depth, as a share of the layers, from which a transfer is no longer shallow: the paper's curves end by 0.6."""

LEAST_EFFECT = 0.01
"""Effects below this, in nats, count as none: what 16-bit logits leave of a margin."""

AGREEMENT = 0.95
"""How often the latent decision is the final one in the paper, at least."""


def shallow_transfer(summary: dict[str, Any]) -> Claim:
    """Shallow attention carries the named modality's cue to the instruction tokens."""
    among = modalities_of(summary)
    found = [_transfer(summary, target) for target in among]
    items = min(items for _, _, items in found)
    answers = [answer for answer, _, _ in found]
    return Claim(
        "Shallow attention transfers the named modality's cue to the instruction tokens.",
        decided(yes=set(answers) == {"yes"}, no=set(answers) == {"no"}, items=items),
        "; ".join(evidence for _, evidence, _ in found),
        f"yes: at a layer of depth at most {SHALLOW}, cutting cue to instruction is shown (p < 0.05, corrected for all "
        f"layers) to lower following, by at least {LEAST_EFFECT} nats, and by more than cutting as many random tokens "
        f"in the same cases, for {together(among)} instructions; no: at every such layer the band stays above "
        f"−{LEAST_EFFECT}, for {together(among)}; unclear where a prompt has too few tokens that hold no cue to draw "
        "such a control from, and cutting the cue does harm",
        items,
    )


def _transfer(summary: dict[str, Any], target: Modality) -> tuple[str, str, int]:
    """Return answer, evidence and items of one instruction."""
    cut = f"{place_of(target)} to instruction"
    curve = [row for row in _curve(summary["flow"], cut, target) if _depth(summary, row) <= SHALLOW]
    if not curve:
        return "", f"{target}: {none_followed(modalities_of(summary))}", 0
    beyond = {row["layer"]: row for row in _curve(summary["beyond"], cut, target)}
    harm = [row for row in curve if is_shown(row, "effect") and row["effect"] <= -LEAST_EFFECT]
    if not harm:
        worst = max((-row["effect_low"] if row["effect_low"] is not None else most(row, "effect")) for row in curve)
        told = f"no shallow layer is shown to matter; none lowers following by more than {_bound(worst)} nats"
        return "no" if worst < LEAST_EFFECT else "", f"{target}: {told}", curve[0]["n"]
    own = [beyond[row["layer"]] for row in harm if row["layer"] in beyond]
    more = [row for row in own if is_shown(row, "effect") and row["effect"] < 0]
    best = min(more or own or harm, key=lambda row: row["effect_p"])
    at = next(row for row in harm if row["layer"] == best["layer"])
    evidence = f"{target}: {tested(at, 'effect')} at layer {at['layer']} (depth {_depth(summary, at):.2f})"
    evidence += f"; beyond the control {tested(best, 'effect')}, {best['n']} items" if own else ", no control"
    return "yes" if more else "", evidence, min(at["n"], best["n"])


def no_direct_path(summary: dict[str, Any], shown: Modality) -> Claim:
    """The last token does not read what is shown directly; the paper says it of the image."""
    direct, through = (_curve(summary["flow"], edge, shown) for edge in (f"{shown} to last", f"{shown} to instruction"))
    evidence, items, yes, no = none_followed(modalities_of(summary)), 0, False, False
    if direct and through:
        items = direct[0]["n"]
        bound = max(LEAST_EFFECT, max(least(row, "effect") for row in through) / 10)
        yes = max(most(row, "effect") for row in direct) < bound
        top = max(LEAST_EFFECT, max(most(row, "effect") for row in through) / 10)
        strongest = max(direct, key=lambda row: (least(row, "effect"), -row["effect_p"]))
        no = is_shown(strongest, "effect") and least(strongest, "effect") > top
        evidence = (
            f"{shown} to last: {tested(strongest, 'effect')} at layer {strongest['layer']}, at no layer more than "
            f"{_bound(max(most(row, 'effect') for row in direct))} nats; {shown} to instruction: at no layer more than "
            f"{_bound(max(most(row, 'effect') for row in through))} nats"
        )
    return Claim(
        f"There is no direct path from the {shown} to the last token.",
        decided(yes=yes, no=no, items=items),
        evidence,
        f"yes: at every layer, the whole band of {shown} to last is within a tenth of what cutting {shown} to "
        f"instruction is shown to do, or within {LEAST_EFFECT} nats; no: at some layer it is shown to do more than a "
        f"tenth of the most that {shown} to instruction could do, and more than {LEAST_EFFECT} nats; bands and p are "
        "corrected for all layers",
        items,
    )


def deep_arbitration(summary: dict[str, Any]) -> Claim:
    """The decision appears in deep layers."""
    among = modalities_of(summary)
    found = [_arbitration(summary, target) for target in among]
    answers, items = [answer for answer, _, _ in found], min(items for _, _, items in found)
    return Claim(
        "Deep attention arbitrates: the decision appears at the last token in the second half of the layers.",
        decided(yes=set(answers) == {"yes"}, no=set(answers) == {"no"}, items=items),
        "; ".join(evidence for _, evidence, _ in found),
        "where the model follows, yes: the lens margin's band stays above 0 from a layer in the second half on, and "
        "in the whole first half it is below a tenth of what the last layer has; no: it stays above 0 from a layer in "
        f"the first half on; for {together(among)} instructions; the band holds at all layers at once",
        items,
    )


def _arbitration(summary: dict[str, Any], target: Modality) -> tuple[str, str, int]:
    """Return answer, evidence and items of one instruction."""
    curve = _lens(summary, "final", "last", target, "success")
    items = curve[0]["n"] if curve else 0
    first = next((row for row in curve if _stays(curve, row["layer"])), None)
    if first is None:
        return "", f"{target}: no layer from which the margin is shown to stay above 0", items
    early = [row["margin_high"] for row in curve if _depth(summary, row) < 0.5]
    late = curve[-1]["margin_low"] / 10
    told = f"{target}: the margin at the last token stays above 0 from layer {first['layer']}"
    evidence = f"{told} (depth {_depth(summary, first):.2f})"
    if _depth(summary, first) < 0.5:
        return "no", evidence, items
    return "yes" if all(high is not None and high < late for high in early) else "", evidence, items


def latent_agreement(summary: dict[str, Any]) -> Claim:
    """Deep instruction tokens hold the final decision."""
    found = summary["latent"]
    needed = _fewest(lambda n: n / (n + 1.96**2) > AGREEMENT)  # Wilson's lower end where all of them agree
    return Claim(
        "In deep layers the instruction tokens' latent decision matches the final answer (the paper: over 95 %).",
        decided(
            yes=found["agreement_low"] > AGREEMENT,
            no=found["agreement_high"] < AGREEMENT,
            items=found["items"],
            needed=needed,
        ),
        f"agreement in the deepest quarter of the layers {interval(found, 'agreement')} over {found['readings']} "
        f"readings of {found['items']} items",
        f"yes: the whole interval over items is above {AGREEMENT}; no: below it",
        found["items"],
        needed,
    )


def semantic_inertia(summary: dict[str, Any]) -> Claim:
    """MLPs push against the instruction, attention for it."""
    row = next((row for row in summary["deep_sums"] if row["outcome"] == "all"), None)
    evidence, items, yes, no = "no case whose prior is against the instruction", 0, False, False
    if row is not None:
        items, found = row["items"], {name: is_shown(row, name) for name in ("mlp", "attention")}
        yes = all(found.values()) and row["mlp"] < 0 < row["attention"]
        no = (found["mlp"] and row["mlp"] > 0) or (found["attention"] and row["attention"] < 0)
        evidence = (
            f"deep MLPs add {tested(row, 'mlp')}, deep attention {tested(row, 'attention')} over {row['n']} cases of "
            f"{items} items"
        )
    return Claim(
        "MLPs show semantic inertia: they work against the instruction where the prior does (dropped in the paper's "
        "second version).",
        decided(yes=yes, no=no, items=items),
        evidence,
        "over the second half of the layers, in cases whose margin without an instruction is against it, yes: MLPs are "
        "shown to add less than 0 and attention more; no: MLPs more or attention less; p is corrected for both",
        items,
    )


def _curve(rows: Sequence[Record], edge: str, target: str) -> list[Record]:
    return [row for row in rows if (row["edge"], row["target"]) == (edge, target)]


def _depth(summary: dict[str, Any], row: Record) -> float:
    return row["layer"] / max(1, summary["model"]["layers"] - 1)


def _bound(value: float) -> str:
    """Write a bound, rounded up; without one, that it is unknown."""
    return "an unknown number of" if math.isinf(value) else nats(math.ceil(round(1000 * max(0.0, value), 6)) / 1000)


def _fewest(enough: Callable[[int], bool]) -> int:
    """Return the least number of items that is enough."""
    return next(n for n in range(FEWEST, 10**6) if enough(n))


def _lens(summary: dict[str, Any], norm: str, span: str, target: str, outcome: str) -> list[Record]:
    key = (norm, span, target, outcome)
    rows = [r for r in summary["lens"] if (r["norm"], r["span"], r["target"], r["outcome"]) == key]
    return sorted(rows, key=lambda row: row["layer"])


def _stays(curve: Sequence[Record], layer: int) -> bool:
    return all((row["margin_low"] or 0) > 0 for row in curve if row["layer"] >= layer)
