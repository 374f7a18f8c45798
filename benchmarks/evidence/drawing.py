"""Figures of the page: the paper's 1, 4, 5 and 6 for every model, and the intervals of a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.evidence.row import Answer
from benchmarks.evidence.sources import Evidence, Source
from benchmarks.evidence.tables import LEARNED, Captioned, best_source, studied_models

from trimtab.report.curves import preference_figure
from trimtab.report.figures import WIDTH, contribution_figure, strength_figure
from trimtab.report.methods import swept_methods
from trimtab.report.style import INK, MODALITY_COLOURS, QUIET, figure_style
from trimtab.studies import ALL_TASKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"holds": "#0072B2", "does not hold": "#D55E00", "not shown": QUIET}
UNIFORM = ("mean", "l2s")
"""Vectors of one strength for all items, the first that was swept."""


class Drawn(NamedTuple):
    """A figure with what the page says of it."""

    told: Captioned
    figure: Figure


def paper_figures(evidence: Evidence) -> Iterator[Drawn]:
    """Draw AMPS's Figures 1, 4, 5 and 6 for every model that was studied."""
    for model in studied_models(evidence):
        source = best_source(evidence, model, LEARNED)
        if source is not None:
            yield from _of_model(source, model)


def _of_model(source: Source, model: str) -> Iterator[Drawn]:
    found = _restricted(source.found, model)
    method = next((m for m in UNIFORM if m in swept_methods(found)), "")
    preference = preference_figure(found, method)
    if preference is not None:
        about = f"Following and collapse of {method} by what the model answers by itself"
        yield _drawn(1, source, model, about, preference)
    if any("ratio" in row for row in found["contribution"]):
        how = f"measured by {found['contribution_method']}"
        shares = contribution_figure(found)
        yield _drawn(4, source, model, f"the image's share by task and instruction, {how}", shares)
        moved = instruction_figure(found, model)
        yield _drawn(5, source, model, f"the image's share under each instruction, {how}", moved)
    sweep = [row for row in found["sweep"] if row["method"] in LEARNED]
    if len({row["strength"] for row in sweep}) > 1:
        curves = strength_figure({**found, "sweep": sweep}, model)
        yield _drawn(6, source, model, "L2S and AMPS at every strength", curves)


def _drawn(number: int, source: Source, model: str, about: str, figure: Figure) -> Drawn:
    caption = f"Figure {number}, {model}: {about} ({source.name})."
    return Drawn(Captioned(f"figure-{number}-{model}", caption, source.name), figure)


def _restricted(summary: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a study's summary as if it had one model."""
    own = {
        key: [row for row in summary[key] if row["model"] == model] for key in ("preference", "contribution", "sweep")
    }
    return {**summary, "models": {model: summary["models"][model]}, **own}


def instruction_figure(summary: dict[str, Any], model: str) -> Figure:
    """Draw the mean share of the image under each instruction, with its interval."""
    rows = [r for r in summary["contribution"] if r["task"] == ALL_TASKS and "ratio" in r]
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 0.9 + 0.4 * len(rows)), layout="constrained")
        panel = figure.subplots()
        for place, row in enumerate(reversed(rows)):
            colour = MODALITY_COLOURS[row["instruction"]]
            panel.plot([row["ratio_low"], row["ratio_high"]], [place, place], color=colour, linewidth=2.4)
            panel.plot(row["ratio"], place, "o", color=colour, markersize=7)
        names = [f"instruction: {r['instruction']}, n = {r['n']}" for r in reversed(rows)]
        panel.set_yticks(range(len(rows)), names)
        panel.set_ylim(-0.6, len(rows) - 0.4)
        panel.set_xlim(0, 1)
        panel.axvline(0.5, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
        panel.set_xlabel("the image's share, mean with 95 % interval")
        panel.set_title(model)
    return figure


def intervals(answer: Answer) -> Figure | None:
    """Draw the intervals of a row's cases about what they are compared with; None if fewer than two have one."""
    cases = [case for case in answer.cases if case.number is not None and case.number.low != case.number.high]
    if len(cases) < 2:
        return None
    scale = 1 if answer.row.unit == "" else 100
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 0.8 + 0.28 * len(cases)), layout="constrained")
        panel = figure.subplots()
        for place, case in enumerate(reversed(cases)):
            number, colour = case.number, COLOURS[case.verdict]
            if number is not None and number.low is not None and number.high is not None:
                panel.plot([scale * number.low, scale * number.high], [place, place], color=colour, linewidth=2.2)
                panel.plot(scale * number.value, place, "o", color=colour, markersize=5)
        panel.set_yticks(range(len(cases)), [_label(case) for case in reversed(cases)], fontsize=8)
        panel.set_ylim(-0.6, len(cases) - 0.4)
        panel.axvline(scale * answer.row.threshold, color=INK, linewidth=0.8)
        panel.set_xlabel(answer.row.unit)
    return figure


def _label(case: Any) -> str:
    return ", ".join(part for part in (case.source.name, case.model, case.condition) if part)
