"""Sentences, tables and figures of an interference study, from its summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trimtab.interference import CLEAN
from trimtab.report.style import INK, MODALITY_COLOURS, QUIET, figure_style, percent_axis
from trimtab.report.tables import p_value, percent, points
from trimtab.studies.interference import ALL
from trimtab.studies.kit.statistics import fewest_flips, smallest_shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[dict[str, Any]]
COLOURS = {**MODALITY_COLOURS, "both": "#009E73"}
"""By what is relevant; several together have that of both."""
EFFECTS = (
    "relevant",
    "way",
    "scoring",
    "condition",
    "items",
    "accuracy, %",
    "changed",
    "harmful",
    "helpful",
    "lie",
    "JS",
)
"""Headings of the table of effects."""


def interference_verdicts(summary: dict[str, Any]) -> list[str]:
    """Say in a sentence for each family what perturbing the other modality does, by the paired tests."""
    sentences = []
    for row, table, harmed in _plain_families(summary):
        other = "text" if row["relevant"] == "image" else "evidence"
        other = "picture" if any(r["condition"].endswith("_image") for r in table) else other
        start = f"Where the {row['relevant']} is relevant (by {row['scoring']}, {counted_items(row)})"
        if not harmed:
            sentences.append(f"{start}, {_not_shown(other, [r for r in table if r['difference'] is not None])}")
            continue
        worst = harmed[0]
        name = worst["condition"].replace("_", " ")
        loss, least, most = (
            points(-worst[key]).lstrip("+") for key in ("difference", "difference_high", "difference_low")
        )
        sentences.append(
            f"{start}, {name} lowers accuracy by {loss} points (95 % interval {least} to {most}); {len(harmed)} of "
            f"{len(table) - 1} conditions do harm, "
            f"and {percent(row['always'])} % of the items are right under all."
        )
    return sentences


def interference_in_brief(summary: dict[str, Any]) -> str:
    """Say for how many kinds of item harm is shown, and for how many there are too few to tell."""
    shown, few, families = 0, 0, _plain_families(summary)
    for _, table, harmed in families:
        tried = [r for r in table if r["difference"] is not None]
        most = max(tried, key=lambda r: r["n"], default=None)
        shown += bool(harmed)
        few += not harmed and (most is None or smallest_shown(most["n"], len(tried), most["clusters"]) is None)
    if not families:
        return "This study has no items to which a modality is irrelevant."
    said = f"What does not matter is shown to do harm in {shown} of {len(families)} kinds of item"
    return f"{said}; for {few} there are too few items to tell." if few else f"{said}."


def _plain_families(summary: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]]:
    """Return each kind of item asked plainly: its worst case, its conditions, and those shown to do harm."""
    found = []
    for row in summary["worst"]:
        if row["way"] != "plain" or row["relevant"] == "both":
            continue
        table = [
            r for r in _over_all(summary["effects"]) if all(r[k] == row[k] for k in ("way", "scoring", "relevant"))
        ]
        harmed = sorted((r for r in table if r["difference"] and _decided(r) and r["difference"] < 0), key=_difference)
        found.append((row, table, harmed))
    return found


def _not_shown(other: str, tried: list[dict[str, Any]]) -> str:
    """Say that no harm was shown, and what harm the items could have shown at all."""
    most = max(tried, key=lambda r: r["n"], default=None)
    least = None if most is None else smallest_shown(most["n"], len(tried), most["clusters"])
    lost = min((r["difference"] for r in tried), default=0.0)
    seen = f"the largest loss seen is {points(-lost).lstrip('+')} points" if lost < 0 else "no loss was seen"
    if least is None:
        return (
            f"there are too few items to tell: {seen}, and with {len(tried)} conditions at least "
            f"{fewest_flips(len(tried))} that are about different things must flip before any loss is shown."
        )
    return (
        f"no {other} that was tried is shown to lower accuracy; {seen}, and a loss below {percent(least)} points "
        "could not have been shown."
    )


def counted_items(row: dict[str, Any]) -> str:
    """Write how many items a row has; where some are about the same thing, about how many things they are."""
    items = f"{row['n']} items"
    return items if row["clusters"] == row["n"] else f"{items} about {row['clusters']} different things"


def _smallest(row: dict[str, Any], tried: Rows) -> str:
    """Write the smallest difference that a row's comparison could show, among all that are corrected together."""
    family = sum(all(r[k] == row[k] for k in ("way", "scoring", "relevant")) for r in tried)
    least = smallest_shown(row["n"], family, row["clusters"])
    return "too few items" if least is None else percent(least)


def _different(row: dict[str, Any]) -> str:
    return f"{row['n']}" if row["clusters"] == row["n"] else f"{row['n']} ({row['clusters']})"


def _decided(row: dict[str, Any]) -> bool:
    return row["p_holm"] is not None and row["p_holm"] < 0.05


def _difference(row: dict[str, Any]) -> float:
    return row["difference"]


def effect_cells(effects: Rows) -> list[list[str]]:
    """Lay out the effects over all items as text; an empty row parts the families."""
    return _with_gaps([_effect_line(row) for row in _over_all(effects)])


def worst_cells(worst: Rows) -> list[list[str]]:
    """Lay out the worst cases as text."""
    return [
        [
            row["relevant"],
            row["way"],
            row["scoring"],
            percent(row["clean"]),
            percent(row["worst"]),
            f"{row['condition']}, n = {row['worst_n']}",
            _different(row),
            f"{percent(row['always'])} ({percent(row['always_low'])} to {percent(row['always_high'])})",
        ]
        for row in worst
    ]


def paired_cells(effects: Rows) -> list[list[str]]:
    """Lay out the paired tests against the clean condition as text."""
    tried = [row for row in _over_all(effects) if row["condition"] != CLEAN]
    return _with_gaps(
        [
            [
                row["relevant"],
                row["way"],
                row["scoring"],
                row["condition"],
                points(row["difference"]),
                f"{points(row['difference_low'])} to {points(row['difference_high'])}",
                p_value(row["p"]),
                p_value(row["p_holm"]),
                _smallest(row, tried),
            ]
            for row in tried
        ]
    )


def slice_cells(effects: Rows) -> list[list[str]]:
    """Lay out the effects of each slice as text."""
    return [[row["slice"], *_effect_line(row)] for row in effects if row["slice"] != ALL]


def _effect_line(row: dict[str, Any]) -> list[str]:
    return [
        row["relevant"],
        row["way"],
        row["scoring"],
        row["condition"],
        _different(row),
        f"{percent(row['accuracy'])} ({percent(row['accuracy_low'])} to {percent(row['accuracy_high'])})",
        *(_share(row[column]) for column in ("changed", "harmful", "helpful", "followed")),
        "" if row["js"] is None else f"{row['js']:.3f}",
    ]


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _with_gaps(lines: list[list[str]]) -> list[list[str]]:
    found: list[list[str]] = []
    for line in lines:
        if found and found[-1][:3] != line[:3]:
            found.append([])
        found.append(line)
    return found


def _over_all(effects: Rows) -> list[dict[str, Any]]:
    return [row for row in effects if row["slice"] == ALL]


def accuracy_figure(effects: Rows) -> Figure:
    """Draw the accuracy of each condition with its interval, a panel for each family, clean as a dashed line."""
    rows = [r for r in _over_all(effects) if r["way"] == "plain"] or _over_all(effects)
    scoring = rows[0]["scoring"]
    rows = [r for r in rows if r["scoring"] == scoring]
    families = list(dict.fromkeys(r["relevant"] for r in rows))
    heights = [sum(r["relevant"] == f for r in rows) + 0.8 for f in families]
    with figure_style() as new_figure:
        figure = new_figure(figsize=(8.4, 0.7 + 0.3 * sum(heights)), layout="constrained")
        panels = figure.subplots(len(families), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
        for panel, family in zip(panels, families, strict=True):
            chosen = [r for r in rows if r["relevant"] == family][::-1]
            for place, r in enumerate(chosen):
                panel.plot(
                    [r["accuracy_low"], r["accuracy_high"]],
                    [place] * 2,
                    color=COLOURS.get(family, COLOURS["both"]),
                    linewidth=2.2,
                )
                panel.plot(
                    r["accuracy"], place, "o", color=COLOURS.get(family, COLOURS["both"]), markersize=6, clip_on=False
                )
            clean = next(r["accuracy"] for r in chosen if r["condition"] == CLEAN)
            panel.axvline(clean, color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
            panel.set_yticks(range(len(chosen)), [r["condition"].replace("_", " ") for r in chosen], color=INK)
            panel.set_ylim(-0.6, len(chosen) - 0.4)
            panel.set_title(f"relevant: {family}")
            panel.grid(axis="x")
            panel.grid(visible=False, axis="y")
        panels[-1].set_xlim(0, 1)
        percent_axis(panels[-1].xaxis)
        panels[-1].set_xlabel("accuracy")
    return figure
