"""The page as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.evidence.row import Answer, Case, Group
from benchmarks.evidence.sources import Evidence
from benchmarks.evidence.tables import Captioned, Shaped
from benchmarks.evidence.verdicts import Number
from benchmarks.pages import table

HEAD = """# Evidence

What is claimed, what was measured, and what that says. One command writes this page out of finished runs:

    {command}

A claim **holds** where the whole 95 % interval of its number lies beyond what it is compared with, in the claimed
direction; it **does not hold** where the interval lies beyond it in the other. A p, where there is one, is corrected
for all that was compared, and must agree; an interval without one is that of its case alone. All else is
**not shown**, which is no evidence of absence: see what *could be shown*, the smallest difference that a comparison of
so many items shows with a probability of 80 %, or half the interval where nothing is paired. Over several cases, a
claim holds if each of them does; one that shows the contrary is enough for *does not hold*. Differences of shares are
in percentage points. What no run here measured would be **not measured**, with the command that would do so. All items
are those of the bundled benchmarks; MC²'s own pictures, and other benchmarks, were not measured. Recipes with the same
test items measure some things more than once: the same number counts once, with the larger p.
"""


def write(
    groups: Sequence[tuple[Group, Sequence[Answer]]],
    tables: Sequence[Shaped],
    figures: Sequence[Captioned],
    evidence: Evidence,
    *,
    drawn: dict[str, str],
    folder: str,
    command: str,
) -> str:
    """Return the page.

    Args:
        groups: All rows with their cases.
        tables: The paper's tables.
        figures: The paper's figures; their files lie in ``folder``.
        evidence: All sources.
        drawn: Files of the rows' figures, by the name of the row.
        folder: Where figures are, as the page sees it.
        command: What writes the page.
    """
    parts = [HEAD.format(command=command), "## At a glance\n"]
    for group, answers in groups:
        rows = [[f"[{a.row.claim}](#{slug(group, a)})", f"**{a.verdict}**", _counted(a)] for a in answers]
        parts.append(f"**{group.title}.** {group.about}\n\n{table(['claim', 'verdict', 'cases'], rows)}")
    for group, answers in groups:
        parts.append(f"## {group.title}\n")
        parts += [_row(group, answer, drawn, folder) for answer in answers]
    parts.append("## AMPS's tables\n")
    parts += [f"### {t.title}\n\n{t.about}\n\n{table(t.columns, t.rows)}" for t in tables] or ["Not measured.\n"]
    parts.append("## AMPS's figures\n")
    parts += [f"![{f.caption}]({folder}/{f.name}.png)\n\n{f.caption}\n" for f in figures] or ["Not measured.\n"]
    parts.append(_sources(evidence))
    return "\n".join(parts)


def slug(group: Group, answer: Answer) -> str:
    """Return the name of a row: that of its heading in links, and of its figure's file."""
    return f"{group.name}-{group.rows.index(answer.row) + 1}"


def _row(group: Group, answer: Answer, drawn: dict[str, str], folder: str) -> str:
    row, name = answer.row, slug(group, answer)
    head = (
        f'<a id="{name}"></a>\n### {row.claim}\n\n**{answer.verdict[:1].upper()}{answer.verdict[1:]}.** '
        f"Source: {row.origin}. Measured: {row.measured}.\n"
    )
    if not answer.cases:
        return f"{head}\nTo measure it: `{row.command}`\n"
    columns = ["run", "model", "case", "n", "measured (95 %)", "could be shown", "verdict"]
    body = table(columns, [_case(case, row.unit) for case in answer.cases])
    commands = ", ".join(f"`{c}`" for c in dict.fromkeys(case.source.command for case in answer.cases))
    figure = f"\n![{row.claim}]({folder}/{drawn[name]})\n" if name in drawn else ""
    return f"{head}\n{body}{figure}\nMade by {commands}.\n"


def _case(case: Case, unit: str) -> list[object]:
    number = case.number
    said = case.said if number is None else written(number, unit)
    power = case.power if number is None else shown(number, unit)
    n = number.n if number is not None else case.n or ""
    return [case.source.name, case.model, case.condition, n, said, power, case.verdict]


def written(number: Number, unit: str) -> str:
    """Write a number with its interval."""
    value, low, high = (None if v is None else _one(v, unit) for v in number[:3])
    exact = low is None or low == high
    text = value if exact else f"{value} ({low} to {high})"
    return f"{text}" if number.p is None else f"{text}, p {'< 0.001' if number.p < 0.001 else f'= {number.p:.3f}'}"


def shown(number: Number, unit: str) -> str:
    """Write the smallest difference that could be shown."""
    if number.low is not None and number.low == number.high:
        return "counted"
    if number.least is None:
        return "none"
    return f"{number.least:.2f}" if unit == "" else f"{100 * number.least:.0f} points"


def _one(value: float, unit: str) -> str:
    text = (
        f"{100 * value:+.1f}" if unit == "points" else f"{100 * value:.1f} %" if unit == "percent" else f"{value:.2f}"
    )
    return text.replace("-", "−")


def _counted(answer: Answer) -> str:
    counts = Counter(case.verdict for case in answer.cases)
    told = ", ".join(f"{v}: {counts[v]}" for v in ("holds", "does not hold", "not shown") if counts[v])
    models = ", ".join(dict.fromkeys(model for case in answer.cases for model in case.model.split(", ")))
    return f"{told} ({models})" if told else f"`{answer.row.command}`"


def _sources(evidence: Evidence) -> str:
    rows = [
        [s.name, s.kind, ", ".join(s.models), _items(s.provenance), s.provenance.get("commit") or "", f"`{s.command}`"]
        for s in evidence.sources
    ]
    text = f"## Runs\n\n{table(['run', 'kind', 'models', 'items', 'commit', 'command'], rows)}"
    text += "\nA + behind a commit says that the code had changes which that commit does not hold.\n"
    if evidence.left_out:
        text += "\nNot finished, and left out: " + ", ".join(name for name, _ in evidence.left_out) + ".\n"
    return text


def _items(provenance: dict[str, Any]) -> str:
    return ", ".join(f"{part['items']} {name}" for name, part in provenance.get("data", {}).items())
