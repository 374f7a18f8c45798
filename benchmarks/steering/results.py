"""Write the page of steering results: every method's whole profile, out of finished studies.

    python -m benchmarks.steering.results RUN... [--out docs/steering_results.md]

A RUN is the folder of a finished steering study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.evidence.measures.steering import answers_of
from benchmarks.evidence.sources import Source, read
from benchmarks.pages import page_command, table

from trimtab.errors import UsageError
from trimtab.files import write_whole
from trimtab.report.checks import control_items, control_kinds, control_name
from trimtab.report.methods import methods_of, shown_pairs
from trimtab.report.power import control_power, paired_power
from trimtab.report.tables import SIGNIFICANCE, equal_strength_table, p_value, points
from trimtab.steering import METHODS
from trimtab.studies import ALL_TASKS, SWEPT

HEAD = """# Steering: results{of}

One command writes this page out of finished studies; [steering.md](steering.md) says what the methods do, and what
follows from these tables.

    {command}

**A profile** has one row for each method: the percent of answers to conflict items that follow the target, with the
95 % interval over items; of several seeds the mean, with the lowest and the highest; the percent of collapsed answers.
Then what it does where nothing conflicts: for each kind of control, the difference from no steering in points of right
answers (for no steering itself, the percent of right answers). **Bold** is a difference that the exact McNemar test
leaves below 0.05, after Holm's correction over all controls of a method. Layer and strength were chosen on validation
items alone. *Work* counts decoder positions of an answer against those of no steering.
"""


def write_page(runs: Sequence[Path], out: Path) -> Path:
    """Write the page.

    Raises:
        UsageError: A run is no finished steering study.
    """
    evidence = read(runs)
    others = [path.name for path in runs if path.name not in {source.name for source in evidence.of("steering")}]
    if others:
        raise UsageError(f"`RUN` must be finished steering studies; {', '.join(others)} is none.")
    command = f"python -m benchmarks.steering.results {' '.join(map(str, runs))} --out {out}"
    studies = list(evidence.of("steering"))
    parts = [HEAD.format(command=command, of=f" of {studies[0].name}" if len(studies) == 1 else "")]
    for source in studies:
        parts += _study(source)
    return write_whole(out, "\n".join(parts))


def _study(source: Source) -> Iterator[str]:
    summary = source.found
    items = max(row["n"] for row in summary["rows"])
    yield f"## {summary['study']}\n\n    {source.command}\n"
    yield f"{items} test items. Controls: {'; '.join(control_items(summary))}.\n"
    answers = answers_of(source)
    for model in summary["models"]:
        for target in _targets(summary, model):
            yield f"### {summary['study']}: {model}, toward the {target}\n"
            yield profile(summary, model, target)
            if still := unchanged([r for r in answers if (r["model"], r["target"]) == (model, target)]):
                yield f"No answer is changed at the chosen setting, so nothing is tested: {', '.join(still)}.\n"
    yield _power(summary)
    if any(row["protocol"] != SWEPT for row in summary["rows"]):
        yield f"### {summary['study']}: a choice of options\n\n{choices(summary)}"
    yield f"### {summary['study']}: compared in pairs\n\n{paired(summary)}"
    if summary["equal_strength"]:
        yield f"### {summary['study']}: at equal strength\n\n{equal(summary)}"


def profile(summary: dict[str, Any], model: str, target: str) -> str:
    """Return the table of a model and target."""
    kinds = control_kinds(summary)
    work = {row["method"]: row for row in summary["costs"] if (row["model"], row["target"]) == (model, target)}
    plain = next((row for row in summary["costs"] if (row["model"], row["method"]) == (model, "none")), None)
    head = ["method", "layer, strength", "follow", "seeds", "collapse", *map(control_name, kinds)]
    rows = []
    for row in _chosen(summary, model, target, SWEPT):
        method = row["method"]
        own = {r["kind"]: r for r in _controls(summary, model, target) if r["method"] == method}
        rate = f"{100 * row['following']:.0f} ({100 * row['following_low']:.0f} to {100 * row['following_high']:.0f})"
        cells = [f"`{method}`", _place(summary, row), rate, _seeds(summary, row), f"{100 * row['collapse']:.0f}"]
        cells += [_control(own.get(kind)) for kind in kinds]
        if plain is not None:
            cells.append(f"{work[method]['positions'] / plain['positions']:.2f}" if method in work else "")
        rows.append(cells)
    return table([*head, *(["work"] if plain is not None else [])], rows)


def unchanged(answers: Sequence[dict[str, Any]]) -> list[str]:
    """Return the methods whose every open answer, at the chosen setting, is that of no steering."""
    own = [row for row in answers if row["chosen"] and row["protocol"] == SWEPT]
    plain = {row["id"]: row["prediction"] for row in own if row["method"] == "none"}
    moved = {row["method"] for row in own if plain.get(row["id"]) != row["prediction"]}
    return [f"`{name}`" for name in dict.fromkeys(row["method"] for row in own) if name not in moved | {"none"}]


def choices(summary: dict[str, Any]) -> str:
    """Return following rates under the other protocols."""
    rows = []
    for protocol in dict.fromkeys(row["protocol"] for row in summary["rows"] if row["protocol"] != SWEPT):
        for model in summary["models"]:
            for target in _targets(summary, model):
                for row in _chosen(summary, model, target, protocol):
                    rate = f"{100 * row['following']:.0f}"
                    between = f"{100 * row['following_low']:.0f} to {100 * row['following_high']:.0f}"
                    inconsistent = f"{100 * row['inconsistent']:.0f}"
                    rows.append([protocol, model, target, f"`{row['method']}`", f"{rate} ({between})", inconsistent])
    about = "Percent that follow the target in both orders of the options, and that depend on the order.\n\n"
    return about + table(["protocol", "model", "target", "method", "follow", "depend on the order"], rows)


def paired(summary: dict[str, Any]) -> str:
    """Return the paired comparisons of methods with those that decide their worth."""
    wanted = set(shown_pairs(summary))
    found: dict[tuple[str, str, str], dict[tuple[str, str], str]] = {}
    own = [row for row in summary["paired"] if (row["method"], row["baseline"]) in wanted]
    for row in own:
        between = f"{points(row['difference_low'])} to {points(row['difference_high'])}"
        cell = (
            f"{_bold(points(row['difference']), row['p_holm'] < SIGNIFICANCE)} ({between}), p {p_value(row['p_holm'])}"
        )
        found.setdefault((row["method"], row["baseline"], row["protocol"]), {})[row["model"], row["target"]] = cell
    places = list(dict.fromkeys((row["model"], row["target"]) for row in own))
    head = ["method", "against", "protocol", *(f"{model}, {target}" for model, target in places)]
    rows = [[f"`{key[0]}`", f"`{key[1]}`", key[2], *(cells.get(p, "") for p in places)] for key, cells in found.items()]
    about = (
        "Differences of following rates on the same items, in points, with 95 % intervals; p is the exact McNemar "
        f"test's, with Holm's correction over all comparisons of the two methods. {paired_power(own)}\n\n"
    )
    return about + table(head, rows)


def equal(summary: dict[str, Any]) -> str:
    """Return comparisons of readings at equal strength."""
    strengths, lines = equal_strength_table(summary)
    rows = []
    for line in lines:
        cells = [f"{_bold(cell.text, cell.best)} ({cell.note})" for cell in line.cells]
        rows.append([line.model, line.target, line.pair, *cells])
    return table(["model", "target", "pair", *(f"strength {s}" for s in strengths)], rows)


def _power(summary: dict[str, Any]) -> str:
    note = control_power([row for row in summary["controls"] if row["chosen"]])
    return f"What the controls could show: {note}\n" if note else ""


def _targets(summary: dict[str, Any], model: str) -> list[str]:
    return list(dict.fromkeys(row["target"] for row in summary["rows"] if row["model"] == model))


def _chosen(summary: dict[str, Any], model: str, target: str, protocol: str) -> list[dict[str, Any]]:
    wanted = (model, target, protocol, ALL_TASKS)
    rows = [r for r in summary["rows"] if (r["model"], r["target"], r["protocol"], r["task"]) == wanted and r["chosen"]]
    return sorted(rows, key=lambda row: methods_of(summary).index(row["method"]))


def _controls(summary: dict[str, Any], model: str, target: str) -> list[dict[str, Any]]:
    return [r for r in summary["controls"] if (r["model"], r["target"]) == (model, target) and r["chosen"]]


def _place(summary: dict[str, Any], row: dict[str, Any]) -> str:
    wanted = (row["model"], row["method"], row["target"])
    own = next(a for a in summary["artifacts"] if (a["model"], a["method"], a["target"]) == wanted)
    layer = "" if own["layer"] is None else str(own["layer"])
    strength = f"{row['strength']:g}" if METHODS[own["kind"]].has_strength else ""
    return ", ".join(part for part in (layer, strength) if part)


def _seeds(summary: dict[str, Any], row: dict[str, Any]) -> str:
    keys = ("model", "method", "target", "protocol")
    own = [s for s in summary["seeds"] if all(s[key] == row[key] for key in keys)]
    return next((f"{s['seeds']}: {100 * s['lowest']:.0f} to {100 * s['highest']:.0f}" for s in own), "")


def _control(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["method"] == "none":
        return f"{100 * row['accuracy']:.0f}"
    return _bold(points(row["difference"]), row["p_holm"] < SIGNIFICANCE)


def _bold(text: str, decided: bool) -> str:
    return f"**{text}**" if decided else text


if __name__ == "__main__":
    page_command(__doc__, write_page, "docs/steering_results.md")
