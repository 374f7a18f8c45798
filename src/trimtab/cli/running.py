"""Running a study of any kind for a verb, and telling what it found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from trimtab.cli.console import in_words, print_json, print_line, print_table, progress_bars, remark
from trimtab.cli.early import check_model
from trimtab.cli.inputs import load_model
from trimtab.cli.loading import Loading
from trimtab.cli.shown import print_summary
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.engine import Cluster
    from trimtab.models import Model
    from trimtab.studies.kit.study import StudyPlan

Plan = TypeVar("Plan", bound="StudyPlan")


def loaded_as(plan: Plan, loading: Loading) -> Plan:
    """Return a plan whose models are loaded as the command line says, or else as the plan does."""
    from dataclasses import replace

    places = {"device", "device_map"}
    kept = {k: v for k, v in plan.load.items() if k not in places or not places & set(loading)}
    return replace(plan, load={**kept, **loading})


class Finished(NamedTuple):
    """A finished study: its folder, its summary, its page, if its kind has one, and where its items are from."""

    run: Path
    summary: dict[str, Any]
    page: Path | None
    data: str


def run_plan(plan: StudyPlan, out: Path, over: Cluster | None = None) -> Finished:
    """Run a study, or go on with it, here or over workers, and write its report.

    Raises:
        TrimtabError: Whatever can be refused is, before models are loaded or items are read.
    """
    from trimtab.report import has_report, write_report
    from trimtab.studies import read_summary, run_study, spread_study, study_of
    from trimtab.studies.kit.run_folder import check_run_folder

    study = study_of(plan)
    check_run_folder(out, "`--out`")
    for name in study.models():
        check_model(name, plan.load)
    with progress_bars() as bars:
        if over is None:
            run_study(study, out, load=loads_aloud, read=plan.reader(), progress=bars)
        else:
            spread_study(plan, out, over, progress=bars)
        page = write_report(out) if has_report(study.kind) else None
    return Finished(out, read_summary(out), page, plan.data)


def tell_cost(plan: StudyPlan, out: Path, json: bool) -> None:
    """Print what a study will cost; nothing of it is done."""
    from trimtab.studies import forecast, study_of

    for name in study_of(plan).models():
        check_model(name, plan.load)
    with progress_bars() as bars:
        found = forecast(plan, out, load=loads_aloud, read=plan.reader(), progress=bars)
    known = [one.seconds for one in found if one.seconds is not None]
    if json:
        parts = [{**one._asdict(), "rows": one.rows and one.rows._asdict()} for one in found]
        print_json({"run": str(out), "tasks": parts, "seconds": sum(known)})
        return
    print_table(
        f"{out}: what is left to do",
        ["task", "steps", "items", "prompts", "answers", "about"],
        [
            [
                one.task,
                f"{one.steps:,}",
                f"{one.items:,}",
                *((f"{n:,}" for n in one.rows) if one.rows is not None else ("?", "?")),
                "?" if one.seconds is None else in_words(one.seconds),
            ]
            for one in found
        ],
    )
    if known or not found:
        total = in_words(sum(known))
        print_line(f"About {total} here, from a few timed answers; loading and training are not counted.")
    if len(known) < len(found):
        print_line("?: depends on what is found; not counted.")


def loads_aloud(name: str, **loading: object) -> Model:
    """Load a model, and say so."""
    return load_model(name, loading)


def tell(found: Finished, json: bool) -> None:
    """Print a finished study as one JSON document, or its tables and where its report is."""
    if json:
        print_json(
            {"run": str(found.run), "report": None if found.page is None else str(found.page), "summary": found.summary}
        )
        return
    print_summary(found.summary)
    if found.page is not None:
        print_line(f"Report: {found.page}")
        remark(f"Single answers: trimtab view {found.run}{_own_data(found.data)}")


def _own_data(data: str) -> str:
    """Return the option that shows ``view`` the items of a run, where they are not bundled."""
    from trimtab.items.readers.pocket import POCKET_SOURCES

    return "" if data.split(":")[0] in POCKET_SOURCES else f" --data {data}"


def check_images(images: Path | None) -> str:
    """Return the folder of ``--images`` as a plan has it.

    Raises:
        UsageError: It is no folder.
    """
    if images is not None and not images.is_dir():
        raise UsageError(f"`--images` must be an existing folder; got '{images}'; check the path.")
    return "" if images is None else str(images)
