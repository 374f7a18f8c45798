"""``write_steering_report``: a steering study as one self-contained page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.file_names import file_name
from trimtab.files import write_whole
from trimtab.report.checks import KINDS, control_kinds, control_table, cost_table, oracle_table, paper_table
from trimtab.report.curves import attribute_figure, pareto_figure, preference_figure
from trimtab.report.figures import contribution_figure, paired_figure, strength_figure
from trimtab.report.tables import equal_strength_table, following_tables, paired_table, receipt_table
from trimtab.report.words import PAIR, amps_against_l2s, cautions, headline, verdicts
from trimtab.studies import ALL_TASKS, read_provenance, read_summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"
PAIRS = [
    PAIR,
    ("amps", "instruction"),
    ("amps", "none"),
    ("l2s", "none"),
    *(("autotrim", baseline) for baseline in ("none", "instruction", "drop", "l2s", "amps")),
]
"""Comparisons the page shows; ``summary.json`` has all."""


def write_steering_report(run: str | Path) -> Path:
    """Write a run folder's report: ``report.html``, which needs no other file, and the figures as PNG.

    Args:
        run: Folder of a finished study.

    Returns:
        The page.

    Raises:
        RunFolderError: The folder is not that of a finished study, or cannot be written to.
    """
    run = Path(run)
    summary, provenance = read_summary(run, "steering"), read_provenance(run)
    images = {name: save_figure(run, name, figure) for name, figure in _figures(summary).items()}
    return write_whole(run / PAGE, _render(summary, provenance, images).encode())


def _figures(summary: dict[str, Any]) -> dict[str, Figure]:
    figures = {f"strength-{file_name(m)}": strength_figure(summary, m) for m in summary["models"]}
    if summary["contribution"]:
        figures["contribution"] = contribution_figure(summary)
    optional = {
        "paired": paired_figure(summary, *PAIR),
        "preference": preference_figure(summary),
        "layers": attribute_figure(summary, "layer", "layers", "layer"),
        "training-items": attribute_figure(summary, "train_items", "train_items", "training items"),
    }
    figures |= {f"pareto-{file_name(m)}": pareto_figure(summary, m) for m in summary["models"]}
    return figures | {name: figure for name, figure in optional.items() if figure is not None}


def save_figure(run: Path, name: str, figure: Figure) -> str:
    """Save a figure as PNG and return it as a data address."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_whole(run / "figures" / f"{name}.png", buffer.getvalue())
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _render(summary: dict[str, Any], provenance: dict[str, Any], images: dict[str, str]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("trimtab.report"), autoescape=True, undefined=StrictUndefined)
    tables = following_tables(summary)
    totals = [r["n"] for r in summary["rows"] if r["task"] == ALL_TASKS and not r["chosen"]]
    measured = [r["n"] for r in summary["contribution"] if r["task"] == ALL_TASKS]
    items = max(table.items for table in tables)
    return environment.get_template("report.html.j2").render(
        title=summary["study"],
        models=list(summary["models"]),
        seed=summary["seed"],
        version=provenance["versions"]["trimtab"],
        headline=headline(summary),
        verdicts=[*([amps_against_l2s(summary)] if _compares_pair(summary) else []), *verdicts(summary)],
        tables=tables,
        items=items,
        paired=paired_table(summary, shown_pairs(summary)),
        equal_strength=equal_strength_table(summary),
        images=images,
        pareto_figures=[{"model": m, "image": images[f"pareto-{file_name(m)}"]} for m in summary["models"]],
        controls=control_table(summary),
        control_kinds=[KINDS[kind] for kind in control_kinds(summary)],
        oracles=oracle_table(summary),
        costs=cost_table(summary),
        paper=paper_table(summary),
        strength_figures=[{"model": m, "image": images[f"strength-{file_name(m)}"]} for m in summary["models"]],
        swept=max(totals, default=items),
        measured=max(measured, default=0),
        cautions=cautions(summary),
        receipts=receipt_table(provenance, summary),
        provenance=_provenance_lines(provenance),
    )


def _compares_pair(summary: dict[str, Any]) -> bool:
    return any((r["method"], r["baseline"]) == PAIR for r in summary["paired"])


def shown_pairs(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the comparisons the page shows: ``PAIRS``; variants against L2S; shuffled ones against their own kind."""
    kinds = {a["method"]: a["kind"] for a in summary["artifacts"]}
    every = dict.fromkeys((r["method"], r["baseline"]) for r in summary["paired"])
    variants = [
        (method, baseline)
        for method, baseline in every
        if method != kinds[method]
        and (baseline == "l2s" or ("shuffled" in method and kinds[baseline] == kinds[method]))
    ]
    return [*PAIRS, *variants]


def _provenance_lines(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """Lay out the provenance as names and values, one line each."""
    hardware, cost = provenance["hardware"], provenance["evaluation"]
    lines = [("versions", ", ".join(f"{k} {v}" for k, v in provenance["versions"].items()))]
    if provenance["commit"]:
        lines.append(("commit", provenance["commit"]))
    lines += [
        (
            name,
            f"fingerprint {m['fingerprint']}; {m['family']}, {m['layers']} layers, {m['heads']} heads, "
            f"{m['parameters'] / 1e6:.1f} M parameters, {m['dtype']}",
        )
        for name, m in provenance["models"].items()
    ]
    lines += [
        (f"{split} items", f"{d['items']} ({d['skipped']} skipped), fingerprint {d['fingerprint'][:16]}")
        for split, d in provenance["data"].items()
    ]
    lines.append(("machine", ", ".join(f"{k} {v}" for k, v in hardware.items() if v)))
    lines.append(("time", f"{provenance['seconds']:.0f} s by the clock, all steps added up"))
    if cost:
        lines.append(
            (
                "evaluation",
                f"{cost['rows']:,} questions in {cost['passes']:,} forward passes of a batch; {cost['tokens']:,} "
                f"prompt tokens computed, of {cost['naive_tokens']:,} without reuse",
            )
        )
    return lines
