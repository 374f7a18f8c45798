"""The claims about where: paths, layers, and what the tokens hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.modalities import Modality, place_of
from trimtab.studies.circuits.summary import modalities_of, together
from trimtab.studies.circuits.verdicts import Claim, Verdict, interval, nats, none_followed, shared_verdict
from trimtab.studies.kit.records import Record

SHALLOW = 0.6
"""Depth, as a share of the layers, from which a transfer is no longer shallow: the paper's curves end by 0.6."""

LEAST_EFFECT = 0.01
"""Effects below this, in nats, count as none: what 16-bit logits leave of a margin."""


def shallow_transfer(summary: dict[str, Any]) -> Claim:
    """Shallow attention carries the named modality's cue to the instruction tokens."""
    among = modalities_of(summary)
    every, none = together(among), "neither" if len(among) == 2 else "none"
    found = [_transfer(summary, target) for target in among]
    return Claim(
        "Shallow attention transfers the named modality's cue to the instruction tokens.",
        shared_verdict([verdict for verdict, _, _ in found]),
        "; ".join(evidence for _, evidence, _ in found),
        "yes: the lowest effect of cutting cue to instruction is below 0 and, with its whole interval, below that of "
        f"cutting as many random tokens, at a depth of at most {SHALLOW}, for {every} instructions; no: {none} "
        "hurts, or deeper; unclear where a prompt has too few tokens that hold no cue to draw such a control from",
        min(cases for _, _, cases in found),
    )


def _transfer(summary: dict[str, Any], target: Modality) -> tuple[str, str, int]:
    """Return verdict, evidence and cases of one instruction."""
    cut = _to_instruction(target)
    peak, control = _lowest(summary, cut, target), _lowest(summary, f"random for {cut}", target)
    if peak is None:
        return "", f"{target}: {none_followed(modalities_of(summary))}", 0
    depth = peak["layer"] / (summary["model"]["layers"] - 1)
    evidence = f"{target}: lowest effect {interval(peak, 'effect')} at layer {peak['layer']} (depth {depth:.2f})"
    hurts = peak["effect_high"] < 0 and peak["effect"] < -LEAST_EFFECT
    refuted = not hurts or depth > SHALLOW
    evidence += ", no control of this size" if control is None else f", control {nats(control['effect'])}"
    if refuted or control is None:
        return "no" if refuted else "", evidence, peak["n"]
    beyond = peak["effect_high"] < control["effect"]
    return "yes" if beyond else "", evidence, min(peak["n"], control["n"])


def no_direct_path(summary: dict[str, Any], shown: Modality) -> Claim:
    """The last token does not read what is shown directly; the paper says it of the image."""
    direct, through = (_strongest(summary, edge, shown) for edge in (f"{shown} to last", _to_instruction(shown)))
    verdict: Verdict = "unclear"
    evidence, cases = none_followed(modalities_of(summary)), 0
    if direct is not None and through is not None:
        share = abs(direct["effect"]) / max(abs(through["effect"]), 1e-9)
        decided = direct["effect_low"] > 0 or direct["effect_high"] < 0
        if max(abs(direct["effect"]), abs(through["effect"])) >= LEAST_EFFECT:
            verdict = "yes" if share < 0.1 else "no" if decided and share > 0.25 else "unclear"
        evidence = (
            f"strongest effect of {shown} to last {interval(direct, 'effect')}, of {shown} to instruction "
            f"{interval(through, 'effect')}"
        )
        cases = direct["n"]
    return Claim(
        f"There is no direct path from the {shown} to the last token.",
        verdict,
        evidence,
        f"yes: below a tenth of the effect of {shown} to instruction; no: above a quarter, and its interval leaves out "
        "0",
        cases,
    )


def deep_arbitration(summary: dict[str, Any]) -> Claim:
    """The decision appears in deep layers."""
    n_layers, among = summary["model"]["layers"], modalities_of(summary)
    found, verdicts, cases = [], [], []
    for target in among:
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
        shared_verdict(verdicts),
        "; ".join(found),
        "yes: where the model follows, the lens margin's interval stays above 0 only from a depth of 0.5 on, for "
        f"{together(among)} instructions; no: earlier, for {together(among)}",
        min(cases),
    )


def latent_agreement(summary: dict[str, Any]) -> Claim:
    """Deep instruction tokens hold the final decision."""
    curve = [
        row
        for target in modalities_of(summary)
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
        evidence = (
            f"deep MLPs add {interval(row, 'mlp')}, deep attention {interval(row, 'attention')} over {row['n']} cases"
        )
    return Claim(
        "MLPs show semantic inertia: they work against the instruction where the prior does (dropped in the paper's "
        "second version).",
        verdict,
        evidence,
        "yes: over the second half of the layers MLPs add less than 0 and attention more, with whole intervals, in "
        "cases whose margin without an instruction is against it; no: MLPs add more than 0 or attention less",
        0 if row is None else row["n"],
    )


def _to_instruction(modality: Modality) -> str:
    """Return the edge from a modality's cue to the instruction."""
    return f"{place_of(modality)} to instruction"


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
