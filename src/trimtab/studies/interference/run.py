"""``run_interference``: a diagnosis as a run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trimtab.errors import UsageError
from trimtab.fields import check_fields
from trimtab.interference import DiagnosisConfig, diagnose, spectrum
from trimtab.interference.diagnosis import Diagnosis
from trimtab.items import Item, items_fingerprint
from trimtab.models import Model
from trimtab.progress import SILENT, Advance, Progress, Within
from trimtab.studies.interference.effects import effects, worst_cases
from trimtab.studies.kit.loading import check_loading, loading_identity
from trimtab.studies.kit.provenance import computed_in, describe, git_commit, hardware, versions
from trimtab.studies.kit.reading import read_summary
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import ITEMS, PROVENANCE, SUMMARY, RunFolder, StepResult

STUDY = "interference"
SCHEMA_VERSION = 2
"""2: texts are shuffled within a family; the worst case is compared with the clean answers of the same items."""


@dataclass(frozen=True)
class InterferencePlan:
    """A diagnosis as data.

    Attributes:
        model: The model's name.
        data: The source of the items.
        diagnosis: What is tried.
        spectrum: Whether items with a picture are also asked with another's picture, question, or both.
        load: How the model was loaded: arguments of ``trimtab.load``.
    """

    model: str
    data: str
    diagnosis: DiagnosisConfig = field(default_factory=DiagnosisConfig)
    spectrum: bool = True
    load: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_loading("InterferencePlan", self.load)

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return asdict(self) | {"load": loading_identity(self.load)}


def run_interference(
    plan: InterferencePlan, out: str | Path, model: Model, items: Sequence[Item], progress: Progress = SILENT
) -> Path:
    """Diagnose a model and write the run folder; a finished step is not computed again.

    Args:
        plan: What to try.
        out: The folder.
        model: The model.
        items: Items that say what is relevant and have options.
        progress: Told of what is being done.

    Returns:
        The folder, with ``items.parquet``, ``summary.json`` and ``provenance.json``.

    Raises:
        UsageError: No item can be asked.
        RunFolderError: The folder belongs to another configuration, or cannot be written to.
    """
    identity = {
        "schema_version": SCHEMA_VERSION,
        "fingerprint": model.fingerprint,
        "items": items_fingerprint(items),
        "n": len(items),
    }
    config = {"study": STUDY, **plan.resolved(), **identity, "computed_in": computed_in([model])}
    with RunFolder(out, config) as folder:
        asked, shuffled = _steps(plan, folder, model, items, progress)
        folder.write(ITEMS, lambda part: asked.table.to_parquet(part, index=False))
        folder.write(PROVENANCE, json.dumps(_provenance(model, folder), indent=1))
        folder.write(SUMMARY, json.dumps(_summary(plan, model, asked, shuffled), indent=1))
    return folder.path


def _steps(
    plan: InterferencePlan, folder: RunFolder, model: Model, items: Sequence[Item], progress: Progress
) -> tuple[StepResult, StepResult | None]:
    with progress.task("diagnose", len(items)) as advance:
        asked = folder.step(
            "diagnosis", lambda: _result(diagnose(model, items, plan.diagnosis, progress=Within(advance)))
        )
    if not plan.spectrum:
        return asked, None
    seen = [item for item in items if item.relevant in ("image", "both")]
    with progress.task("spectrum", len(seen)) as advance:
        return asked, folder.step("spectrum", lambda: _spectrum(model, seen, plan.diagnosis, advance))


def _summary(plan: InterferencePlan, model: Model, asked: StepResult, shuffled: StepResult | None) -> dict[str, Any]:
    seed = plan.diagnosis.seed
    answers = records(asked.table)
    return {
        "schema_version": SCHEMA_VERSION,
        "study": STUDY,
        "model": {"name": model.name, **describe(model)},
        "plan": plan.resolved(),
        "items": {"asked": len({r["id"] for r in answers}), "skipped": asked.notes["skipped"]},
        "effects": effects(answers, seed),
        "worst": worst_cases(answers),
        "spectrum": effects(records(shuffled.table), seed) if shuffled is not None and len(shuffled.table) else [],
        "spectrum_note": shuffled.notes.get("note") if shuffled is not None else None,
    }


def _result(found: Diagnosis, **notes: Any) -> StepResult:
    skipped = [{"row": s.row, "reason": s.reason} for s in found.skipped]
    return StepResult(found.answers, {"skipped": skipped, "cost": asdict(found.cost), **notes})


def _spectrum(model: Model, items: Sequence[Item], config: DiagnosisConfig, advance: Advance) -> StepResult:
    """Run the spectrum test; data that cannot be shuffled is a finding, not a failure."""
    from pandas import DataFrame

    try:
        found = spectrum(model, items, config, progress=Within(advance))
    except UsageError as error:
        return StepResult(DataFrame(), {"skipped": [], "note": str(error)})
    if not found.skipped:
        return _result(found)
    return _result(found, note=f"for {len(found.skipped)} of {len(items)} items; the first: {found.skipped[0].reason}")


def _provenance(model: Model, folder: RunFolder) -> dict[str, Any]:
    return {
        "versions": versions(),
        "commit": git_commit(),
        "hardware": hardware([model]),
        "steps": folder.steps(),
    }


def read_interference(run: str | Path) -> dict[str, Any]:
    """Read a diagnosis's summary.

    Raises:
        UsageError: The folder is that of another study.
        RunFolderError: The study is not finished.
    """
    summary = read_summary(run)
    if summary.get("study") != STUDY or summary.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"`run` must hold an interference study of schema version {SCHEMA_VERSION}; {run} holds "
            f"{summary.get('study')!r} of version {summary.get('schema_version')}."
        )
    return summary
