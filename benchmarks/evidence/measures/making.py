"""Cases out of what runs say of how they were made."""

from __future__ import annotations

from benchmarks.evidence.row import Case
from benchmarks.evidence.sources import Evidence

OURS = ("pocket-qwen", "pocket-llava")
"""Models whose language half we trained too."""
CHANGED = "+"
"""What a commit ends with where files had been changed after it."""


def documented(evidence: Evidence) -> list[Case]:
    """Ask whether each run names its code, its settings and its items; what was changed after a commit is not named."""
    found = []
    for source in evidence.sources:
        if source.provenance:
            data, commit = source.provenance.get("data", {}), source.provenance.get("commit")
            known = all(part.get("fingerprint") for part in data.values()) and bool(source.provenance.get("versions"))
            said = f"{len(data)} sets of items with fingerprints, versions, commit {commit or 'unknown'}"
            whole = known and bool(data) and bool(commit) and not str(commit).endswith(CHANGED)
            verdict = "holds" if whole else "does not hold"
            found.append(Case(source, ", ".join(source.models), "", verdict, said=said))
    return found


def of_others(evidence: Evidence) -> list[Case]:
    """Return the runs on a language model that others trained."""
    return [
        Case(source, model, source.kind, "holds", said=f"measured in {source.name}")
        for source in evidence.sources
        for model in source.models
        if model not in OURS
    ]
