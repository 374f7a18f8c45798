"""The paper's claims, each answered yes, no or unclear by a rule that names its numbers; ``docs/circuits.md``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from trimtab.studies.kit.records import Record

Verdict = Literal["yes", "no", "unclear"]
SHALLOW = 0.6
"""Depth, as a share of the layers, from which a transfer is no longer shallow: the paper's curves end by 0.6."""

LEAST_CASES = 10
"""With fewer cases no verdict is given: intervals over a handful of cases mean nothing."""

LEAST_EFFECT = 0.01
"""Effects below this, in nats, count as none: what 16-bit logits leave of a margin."""

CHANCE = 0.5
"""What a model without any instruction information follows of two opposite instructions, since its one answer is right
under one of them. Only what lies above it can be lost with the heads that carry the instruction."""

LOST = 0.6
"""Share of the following above chance that is lost where it is destroyed: the drop of the paper's first version."""

NONE_FOLLOWED = "no item follows both instructions"

CUES = {"image": "image to instruction", "text": "context to instruction"}


class Claim(NamedTuple):
    """A claim of Instruction Anchor (arXiv 2602.03677) and what this model says to it.

    Attributes:
        claim: What is claimed.
        verdict: ``yes``, ``no`` or ``unclear``.
        evidence: The numbers it rests on.
        rule: When it is yes and when no; all else is unclear.
        cases: How many cases it rests on.
    """

    claim: str
    verdict: Verdict
    evidence: str
    rule: str
    cases: int


def answer_claims(summary: dict[str, Any], least_cases: int = LEAST_CASES) -> list[Claim]:
    """Answer all claims from a summary without them; those that rest on too few cases are unclear."""
    answers: list[Callable[[dict[str, Any]], Claim]] = [
        shallow_transfer,
        no_direct_path,
        deep_arbitration,
        latent_agreement,
        semantic_inertia,
        sparse_heads,
        abilities_kept,
        repair,
    ]
    found = [answer(summary) for answer in answers]
    return [
        claim._replace(verdict="unclear", evidence=f"{claim.evidence}; {_only(claim.cases)}")
        if claim.cases < least_cases
        else claim
        for claim in found
    ]


def _only(cases: int) -> str:
    return "no case" if not cases else "only 1 case" if cases == 1 else f"only {cases} cases"


def shallow_transfer(summary: dict[str, Any]) -> Claim:
    """Shallow attention carries the named modality's cue to the instruction tokens."""
    found = [_transfer(summary, target) for target in CUES]
    return Claim(
        "Shallow attention transfers the named modality's cue to the instruction tokens.",
        _together([verdict for verdict, _, _ in found]),
        "; ".join(evidence for _, evidence, _ in found),
        "yes: the lowest effect of cutting cue to instruction is below 0 and, with its whole interval, below that of "
        f"cutting as many random tokens, at a depth of at most {SHALLOW}, for both instructions; no: neither hurts, or "
        "deeper; unclear where a prompt has too few tokens that hold no cue to draw such a control from",
        min(cases for _, _, cases in found),
    )


def _transfer(summary: dict[str, Any], target: str) -> tuple[str, str, int]:
    """Return verdict, evidence and cases of one instruction."""
    peak, control = _lowest(summary, CUES[target], target), _lowest(summary, f"random for {CUES[target]}", target)
    if peak is None:
        return "", f"{target}: {NONE_FOLLOWED}", 0
    depth = peak["layer"] / (summary["model"]["layers"] - 1)
    evidence = f"{target}: lowest effect {_ci(peak, 'effect')} at layer {peak['layer']} (depth {depth:.2f})"
    hurts = peak["effect_high"] < 0 and peak["effect"] < -LEAST_EFFECT
    refuted = not hurts or depth > SHALLOW
    evidence += ", no control of this size" if control is None else f", control {_nats(control['effect'])}"
    if refuted or control is None:
        return "no" if refuted else "", evidence, peak["n"]
    beyond = peak["effect_high"] < control["effect"]
    return "yes" if beyond else "", evidence, min(peak["n"], control["n"])


def no_direct_path(summary: dict[str, Any]) -> Claim:
    """The last token does not read the image directly."""
    direct, through = _strongest(summary, "image to last", "image"), _strongest(summary, CUES["image"], "image")
    verdict: Verdict = "unclear"
    evidence, cases = NONE_FOLLOWED, 0
    if direct is not None and through is not None:
        share = abs(direct["effect"]) / max(abs(through["effect"]), 1e-9)
        decided = direct["effect_low"] > 0 or direct["effect_high"] < 0
        if max(abs(direct["effect"]), abs(through["effect"])) >= LEAST_EFFECT:
            verdict = "yes" if share < 0.1 else "no" if decided and share > 0.25 else "unclear"
        evidence = (
            f"strongest effect of image to last {_ci(direct, 'effect')}, of image to instruction "
            f"{_ci(through, 'effect')}"
        )
        cases = direct["n"]
    return Claim(
        "There is no direct path from the image to the last token.",
        verdict,
        evidence,
        "yes: below a tenth of the effect of image to instruction; no: above a quarter, and its interval leaves out 0",
        cases,
    )


def deep_arbitration(summary: dict[str, Any]) -> Claim:
    """The decision appears in deep layers."""
    n_layers, found, verdicts, cases = summary["model"]["layers"], [], [], []
    for target in CUES:
        curve = _lens(summary, "final", "last", target, "success")
        cases.append(curve[0]["n"] if curve else 0)
        first = next((row["layer"] for row in curve if row["margin_low"] > 0 and _stays(curve, row["layer"])), None)
        if first is None:
            verdicts.append("")
            found.append(f"{target}: no layer from which the margin stays above 0")
            continue
        depth = first / (n_layers - 1)
        verdicts.append("yes" if depth >= 0.5 else "no")
        found.append(f"{target}: the margin at the last token stays above 0 from layer {first} (depth {depth:.2f})")
    return Claim(
        "Deep attention arbitrates: the decision appears at the last token in the second half of the layers.",
        _together(verdicts),
        "; ".join(found),
        "yes: where the model follows, the lens margin's interval stays above 0 only from a depth of 0.5 on, for both "
        "instructions; no: earlier, for both",
        min(cases),
    )


def latent_agreement(summary: dict[str, Any]) -> Claim:
    """Deep instruction tokens hold the final decision."""
    curve = [
        row
        for target in CUES
        for outcome in ("success", "failure")
        for row in _lens(summary, "none", "anchor", target, outcome)
    ]
    last = max(row["layer"] for row in curve)
    deep = [row for row in curve if row["layer"] >= last - max(1, (last + 1) // 4) + 1]
    total = sum(row["n"] for row in deep)
    agreement = sum(row["agreement"] * row["n"] for row in deep) / total
    verdict: Verdict = "yes" if agreement >= 0.95 else "no" if agreement < 0.85 else "unclear"
    return Claim(
        "In deep layers the instruction tokens' latent decision matches the final answer (the paper: over 95 %).",
        verdict,
        f"agreement in the deepest quarter of the layers {agreement:.3f} over {total} readings",
        "yes: at least 0.95; no: below 0.85",
        total // len({row["layer"] for row in deep}),
    )


def semantic_inertia(summary: dict[str, Any]) -> Claim:
    """MLPs push against the instruction, attention for it."""
    row = next((row for row in summary["deep_sums"] if row["outcome"] == "all"), None)
    if row is None:
        verdict: Verdict = "unclear"
        evidence = "no case whose prior is against the instruction"
    else:
        verdict = (
            "yes"
            if row["mlp_high"] < 0 < row["attention_low"]
            else "no"
            if row["mlp_low"] > 0 or row["attention_high"] < 0
            else "unclear"
        )
        evidence = f"deep MLPs add {_ci(row, 'mlp')}, deep attention {_ci(row, 'attention')} over {row['n']} cases"
    return Claim(
        "MLPs show semantic inertia: they work against the instruction where the prior does (dropped in the paper's "
        "second version).",
        verdict,
        evidence,
        "yes: over the second half of the layers MLPs add less than 0 and attention more, with whole intervals, in "
        "cases whose margin without an instruction is against it; no: MLPs add more than 0 or attention less",
        0 if row is None else row["n"],
    )


def sparse_heads(summary: dict[str, Any]) -> Claim:
    """A few heads decide."""
    intact, blocked = (_rate(summary, name, "following") for name in ("intact", "blocked"))
    drawn = [
        row
        for row in _rates_like(summary, "random ")
        if row["measure"] == "following" and row["condition"].removeprefix("random ").isdigit()
    ]
    drop, above = -blocked["difference"], intact["rate"] - CHANCE
    other = max((abs(row["difference"]) for row in drawn), default=0.0)
    verdict: Verdict = "unclear"
    evidence = f"following {intact['rate']:.3f} intact, {blocked['rate']:.3f} blocked "
    if above <= 0:
        evidence += "(nothing above one half to lose)"
    else:
        lost = drop / above
        verdict = "yes" if lost >= LOST and other <= 0.05 else "no" if lost < 0.3 or other >= drop else "unclear"
        evidence += f"({drop / intact['rate']:.0%} of it lost, {lost:.0%} of what is above one half)"
    return Claim(
        f"{summary['choice']['share']:.0%} of the heads carry following: blocking them destroys it, blocking random "
        "ones does not.",
        verdict,
        f"{evidence}; random sets change it by at most {100 * other:.1f} points; {_smallest_set(summary)}",
        f"yes: at least {LOST:.0%} of the following above one half is lost and random sets change it by at most 5 "
        "points; no: less than 30%, or random sets do as much; unclear where nothing is above one half, which is what "
        "a model without any instruction information follows of two opposite instructions",
        blocked["n"] // len(CUES),  # an item is asked under both instructions
    )


def _smallest_set(summary: dict[str, Any]) -> str:
    """Say how many of the best heads must be blocked to lose most of the following above chance."""
    start, intact = "blocked top ", _rate(summary, "intact", "following")["rate"]
    sizes = {
        int(row["condition"].removeprefix(start)): row["rate"]
        for row in _rates_like(summary, start)
        if row["measure"] == "following" and row["condition"].removeprefix(start).isdigit()
    }
    sizes[summary["choice"]["count"]] = _rate(summary, "blocked", "following")["rate"]
    enough = [size for size, rate in sizes.items() if 0 < LOST * (intact - CHANCE) <= intact - rate]
    if not enough:
        return f"no set up to the best {max(sizes)} loses {LOST:.0%} of what is above one half"
    size = f"{min(enough)} {'head' if min(enough) == 1 else 'heads'}"
    return f"the smallest set tried that loses {LOST:.0%} of what is above one half has {size}"


def abilities_kept(summary: dict[str, Any]) -> Claim:
    """Blocking leaves plain abilities."""
    rows = [_rate(summary, "blocked", measure) for measure in summary["abilities"]]
    worst = min(rows, key=lambda row: row["difference"])
    drop = -worst["difference"]
    verdict: Verdict = "yes" if drop <= 0.03 else "no" if worst["difference_high"] < -0.03 else "unclear"
    return Claim(
        "Blocking these heads preserves seeing and reading.",
        verdict,
        "; ".join(f"{row['measure']}: {100 * row['difference']:+.1f} points" for row in rows),
        "yes: no plain ability falls by more than 3 points; no: one falls by more than that with its whole interval",
        min(row["n"] for row in rows),
    )


def repair(summary: dict[str, Any]) -> Claim:
    """Amplifying repairs failures."""
    row = next(row for row in summary["recovery"] if row["target"] == "both")
    share, name = row["able_repaired"], summary["choice"]["amplification"]
    if share is None:
        verdict: Verdict = "unclear"
        evidence = "no failure of an item that the model answers from either modality alone"
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


def _curve(summary: dict[str, Any], edge: str, target: str) -> list[Record]:
    return [row for row in summary["flow"] if (row["edge"], row["target"]) == (edge, target)]


def _lowest(summary: dict[str, Any], edge: str, target: str) -> Record | None:
    return min(_curve(summary, edge, target), key=lambda row: row["effect"], default=None)


def _strongest(summary: dict[str, Any], edge: str, target: str) -> Record | None:
    return max(_curve(summary, edge, target), key=lambda row: abs(row["effect"]), default=None)


def _lens(summary: dict[str, Any], norm: str, span: str, target: str, outcome: str) -> list[Record]:
    key = (norm, span, target, outcome)
    rows = [r for r in summary["lens"] if (r["norm"], r["span"], r["target"], r["outcome"]) == key]
    return sorted(rows, key=lambda row: row["layer"])


def _stays(curve: Sequence[Record], layer: int) -> bool:
    return all(row["margin_low"] > 0 for row in curve if row["layer"] >= layer)


def _rate(summary: dict[str, Any], condition: str, measure: str) -> Record:
    return next(r for r in summary["rates"] if (r["condition"], r["measure"]) == (condition, measure))


def _rates_like(summary: dict[str, Any], start: str) -> list[Record]:
    return [row for row in summary["rates"] if row["condition"].startswith(start)]


def _together(verdicts: Sequence[str]) -> Verdict:
    """Return the verdict that both instructions share."""
    return "yes" if set(verdicts) == {"yes"} else "no" if set(verdicts) == {"no"} else "unclear"


def _ci(row: Record, name: str) -> str:
    mean, low, high = (_nats(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{mean} ({low} to {high})"


def _nats(value: float) -> str:
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")
