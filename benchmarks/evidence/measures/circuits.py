"""Cases out of circuits studies; the verdicts on the paper's claims are those of ``trimtab.studies.circuits``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.evidence.row import Case, Cases
from benchmarks.evidence.sources import Evidence, Source
from benchmarks.evidence.verdicts import Number, Verdict, verdict

from trimtab.report.power import curve_power
from trimtab.studies.circuits import Claim
from trimtab.studies.circuits.head_claims import chance_of
from trimtab.studies.circuits.summary import modalities_of

KIND = "circuits"
CIRCUITS = "trimtab circuits pocket-qwen pocket-mc2:test --out runs/circuits"

WORDS: dict[str, Verdict] = {
    "yes": "holds",
    "no": "does not hold",
    "unclear": "not shown",
    "too few items": "not shown",
}


def claim(answer: Callable[[dict[str, Any]], Claim], curve: str = "") -> Cases:
    """Put one of the paper's claims to every study, by the rule that the study itself uses.

    Of a model that is not shown to heed the instruction nothing is judged: there is no following to explain.

    Args:
        answer: The rule.
        curve: The table of curves that it reads, if it reads one, so as to say how wide their bands are.
    """

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source in evidence.of(KIND):
            own, heeds = answer(source.found), _heeds(source)
            power = f"needs at least {own.needed} items"
            if curve:
                power += f". {curve_power(source.found[curve], ['effect' if curve == 'flow' else 'margin'], 'nats')}"
            said, shown = own.evidence, WORDS[own.verdict]
            if heeds.verdict != "holds":
                said, shown = f"the premise is not shown; {said}", "not shown"
            found.append(Case(source, source.models[0], "", shown, said=said, n=own.items, power=power))
        return found

    return cases


def heeds_instructions(evidence: Evidence) -> list[Case]:
    """Ask whether the model follows more often than one without any instruction information could."""
    return [_heeds(source) for source in evidence.of(KIND)]


def _heeds(source: Source) -> Case:
    row = next(r for r in source.found["rates"] if (r["condition"], r["measure"]) == ("intact", "following"))
    number = Number(row["rate"], row["rate_low"], row["rate_high"], row["items"], _half(row, "rate"))
    return Case(source, source.models[0], "", verdict(number, chance_of(modalities_of(source.found))), number)


def _half(row: dict[str, Any], name: str) -> float:
    return (row[f"{name}_high"] - row[f"{name}_low"]) / 2


def stable_choices(evidence: Evidence) -> list[Case]:
    """Say how far halves of the items choose the same heads, beside chance; there is no interval, so no verdict."""
    found = []
    for source in evidence.of(KIND):
        for row in source.found["choices"]:
            said = (
                f"Jaccard {row['jaccard']:.2f} (by chance {row['chance']:.2f}), rank correlation {row['spearman']:.2f}"
            )
            found.append(Case(source, source.models[0], f"score {row['score']}", "not shown", said=said))
    return found


def corrected_curves(evidence: Evidence) -> list[Case]:
    """Ask whether every effect of a curve has a p that is corrected for all layers."""
    found = []
    for source in evidence.of(KIND):
        rows = source.found["flow"]
        if not rows:  # no item could be cut
            continue
        known = sum("effect_p" in row for row in rows)
        said: Verdict = "holds" if known == len(rows) else "does not hold"
        found.append(
            Case(source, source.models[0], "", said, said=f"{known} of {len(rows)} points of the knockout curves")
        )
    return found
