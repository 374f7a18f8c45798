"""What verbs print of a finished study, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trimtab.cli.console import print_line, print_table
from trimtab.modalities import PAIR, in_order

TASK_LETTERS = 4
"""Letters of a task's name in a heading, so that a table of eight tasks fits a terminal of 80 columns."""


def print_summary(summary: dict[str, Any]) -> None:
    """Print the tables of a study, if its kind has any."""
    SHOWN.get(summary["kind"], lambda _summary: None)(summary)


def print_steering(summary: dict[str, Any]) -> None:
    """Print a steering study's tables and its verdict."""
    from trimtab.report import following_tables, headline, pair_verdict, paired_table
    from trimtab.report.methods import main_pair, method_name

    for table in following_tables(summary):
        rows: list[list[str]] = [[" items", *map(str, table.counts), str(table.items), ""]]
        for line in table.lines:
            if line.first:
                rows += [[], [line.model]]
            cells = [cell.text for cell in line.cells]
            rows.append([f" {line.method}", *cells, f"{line.total.text} ({line.total.note})", line.collapse.text])
        print_table(
            f"Following the {table.target} ({table.protocol} protocol), in percent of {table.items} test items",
            ["", *(task[:TASK_LETTERS] for task in table.tasks), "total (95 %)", "coll."],
            rows,
            gap=1,
        )
    pair = main_pair(summary)
    if pair is not None:
        lines, (method, other) = paired_table(summary, [pair]), map(method_name, pair)
        print_table(
            f"{method} minus {other} on the same items, in percentage points",
            ["model", "protocol", "target", "difference", "95 % interval", "McNemar p", "Holm"],
            [[r.model, r.protocol, r.target, r.difference, r.interval, r.p, r.p_holm] for r in lines],
            left=3,
        )
        print_line(pair_verdict(summary))
    print_line(headline(summary))
    for r in summary["refused"]:
        print_line(f"Left out on {r['model']}: {r['method']} toward the {r['target']}: {r['reason']}")


def print_circuits(summary: dict[str, Any]) -> None:
    """Print the verdicts on the paper's claims, and the chosen heads."""
    print_table(
        f"What {summary['name']} says to the claims of Instruction Anchor",
        ["verdict", "claim", "evidence"],
        [[claim["verdict"], claim["claim"], claim["evidence"]] for claim in summary["claims"]],
        left=3,
    )
    choice = summary["choice"]
    pairs = zip(choice["heads"], choice["roles"], strict=True)
    heads = ", ".join(f"{layer}.{head} ({role})" if role else f"{layer}.{head}" for (layer, head), role in pairs)
    print_line(f"Heads by the {choice['score']} score, layer.head: {heads}")


def print_interference(summary: dict[str, Any]) -> None:
    """Print the table of effects over all items, and the worst cases."""
    from trimtab.report.interference import EFFECTS, effect_cells, worst_cells

    print_table(
        f"{summary['model']['name']}: answers under perturbation of what does not matter, in percent",
        EFFECTS,
        effect_cells(summary["effects"]),
        left=4,
        gap=1,
    )
    print_table(
        "Worst case over conditions, in percent of items",
        ["relevant", "way", "scoring", "clean", "worst", "under", "right under all (95 %)"],
        worst_cells(summary["worst"]),
        left=3,
    )


SYNERGY = (
    "Synergy is what all modalities give together beyond what each gives alone: above 0 the answer needs them "
    "together, below 0 each alone is enough."
)


def print_measurement(summary: dict[str, Any]) -> None:
    """Print the mean ratios by task, for each set of modalities that items were measured for."""
    from trimtab.report.measured import neither_line
    from trimtab.report.words import listed
    from trimtab.studies import by_modalities, share_columns

    sets = by_modalities(summary["ratios"])
    for modalities, rows in sets.items():
        among = "" if len(sets) == 1 else f", items of {listed([*modalities])}"
        for name in share_columns(modalities):
            _print_share(summary, name, rows, among)
    if not sets:
        print_line("No modality reaches the answer of any item, so there is no share to show.")
    if said := neither_line(summary["answers"]):
        print_line(said)
    if any("synergy" in row for row in summary["ratios"]):
        print_line(SYNERGY)
    if summary["method"] == "mcs" and sets:
        subject = "The ratio says" if set(sets) == {PAIR} else "The shares say"
        measured = in_order(modality for modalities in sets for modality in modalities)
        print_line(
            f"{subject} how sensitive the answer is to {listed([*measured])}. On the "
            "pocket models this hardly tells which of them the answer comes from (docs/contribution_validity.md); "
            "--method shapley does."
        )


def _print_share(summary: dict[str, Any], name: str, rows: list[dict[str, Any]], among: str) -> None:
    """Print the means of one share by task."""
    from trimtab.report.measured import mean_interval

    what = "Visual ratio" if name == "ratio" else f"Share of the {name.removeprefix('share_')}"
    of = "the image's share of both contributions" if name == "ratio" else "of all contributions"
    columns = ["task", "items", "ratio" if name == "ratio" else "share", "95 % interval"]
    lines = [[r["task"], str(r["n"]), f"{r[name]:.3f}", mean_interval(r, name)] for r in rows]
    if "synergy" in rows[0]:
        columns.append("synergy")
        lines = [[*line, f"{r['synergy']:+.3f}"] for line, r in zip(lines, rows, strict=True)]
    print_table(f"{what} of {summary['model']}{among}: {of} ({summary['method']})", columns, lines)


SHOWN: dict[str, Callable[[dict[str, Any]], None]] = {
    "steering": print_steering,
    "circuits": print_circuits,
    "interference": print_interference,
    "measurement": print_measurement,
}
