"""Write the page of circuits results out of finished studies: claims, blocked heads, patched states, crossovers.

    python -m benchmarks.circuits.results RUN... [--out docs/circuits_results.md]

A RUN is the folder of a finished circuits study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.evidence.sources import Source, read
from benchmarks.pages import page_command, table

from trimtab.errors import UsageError
from trimtab.files import write_whole

HEAD = """# Circuits: results

One command writes this page out of finished studies; [circuits.md](circuits.md) says what is measured, by which rules
the claims are judged, and what follows.

    {command}

{made}
"""
COLUMNS = 12
"""Most layers of a table of patched states; a deeper model's are shown at even steps."""
PARTS = {"shown": "the picture", "words": "all words", "instruction": "instruction and question", "last": "last token"}


def write_page(runs: Sequence[Path], out: Path) -> Path:
    """Write the page.

    Raises:
        UsageError: A run is no finished circuits study.
    """
    sources = list(read(runs).of("circuits"))
    others = [path.name for path in runs if path.name not in {source.name for source in sources}]
    if others:
        raise UsageError(f"`RUN` must be finished circuits studies; {', '.join(others)} is none.")
    command = f"python -m benchmarks.circuits.results {' '.join(map(str, runs))} --out {out}"
    made = "\n".join(f"- {source.models[0]}: {_made(source)}" for source in sources)
    parts = [HEAD.format(command=command, made=made), _claims(sources)]
    for source in sources:
        parts += _study(source)
    return write_whole(out, "\n".join(parts))


def _made(source: Source) -> str:
    plan, heads = source.found["plan"], source.found["model"]["layers"] * source.found["model"]["heads"]
    return (
        f"{heads} heads; {plan['score_items']} items to score them, {plan['validation_items']} to choose, "
        f"{plan['test_items']} to test, each under both instructions; abilities on {plan['ability_items']} items or "
        f"more (`{source.command}`)"
    )


def _claims(sources: Sequence[Source]) -> str:
    """Return the claims, with a column of verdicts and numbers for each model."""
    names = [claim["claim"] for claim in sources[0].found["claims"]]
    rows = [
        [
            name,
            *(
                f"**{own['verdict']}**: {own['evidence']}"
                for s in sources
                for own in s.found["claims"]
                if own["claim"] == name
            ),
        ]
        for name in names
    ]
    return f"## Instruction Anchor's claims\n\n{table(['claim', *(s.models[0] for s in sources)], rows)}"


def _study(source: Source) -> Iterator[str]:
    name, found = source.models[0], source.found
    yield f"## {name}\n"
    yield _rates(found["rates"])
    yield _choices(found["choices"], found["choice"])
    if found["patching"]["curves"]:
        yield _patched(found["patching"]["curves"])
    yield _crossed(found["patching"])
    if found["patching"]["overrides"]:
        yield _overriding(found["patching"])


def _rates(rows: Sequence[dict[str, Any]]) -> str:
    """Return following and abilities under each edit of heads."""
    measures = [name for name in dict.fromkeys(row["measure"] for row in rows) if name != "both"]
    lines = []
    for condition in dict.fromkeys(row["condition"] for row in rows):
        own = {row["measure"]: row for row in rows if row["condition"] == condition}
        lines.append([condition, *(_share(own.get(name)) for name in measures)])
    return (
        "Heads blocked and amplified: percent of test items that follow the named modality, and that are right on "
        f"plain questions, with 95 % intervals.\n\n{table(['heads', *measures], lines)}"
    )


def _choices(rows: Sequence[dict[str, Any]], choice: dict[str, Any]) -> str:
    lines = [
        [
            r["score"],
            " ".join(f"{a}.{b}" for a, b in r["heads"]),
            f"{r['jaccard']:.2f}",
            f"{r['chance']:.2f}",
            f"{r['spearman']:.2f}",
        ]
        for r in rows
    ]
    columns = ["score", "heads (layer.head)", "overlap of halves (Jaccard)", "by chance", "rank correlation of halves"]
    return f"Heads by each score; `{choice['score']}` was chosen.\n\n{table(columns, lines)}"


def _patched(rows: Sequence[dict[str, Any]]) -> str:
    """Return the share of first tokens that become the donor's, by the layer whose output is replaced."""
    layers = sorted({row["layer"] for row in rows})
    step = -(-len(layers) // COLUMNS)
    shown = layers[::step] if layers[-1] in layers[::step] else [*layers[::step], layers[-1]]
    lines = []
    for donor in dict.fromkeys(row["donor"] for row in rows):
        for part, words in PARTS.items():
            own = {row["layer"]: row for row in rows if (row["donor"], row["part"]) == (donor, part)}
            if own:
                flips = [f"{100 * own[layer]['flips']:.0f}" for layer in shown]
                lines.append([f"another {donor}: {words}", next(iter(own.values()))["n"], *flips])
    return (
        "States of another prompt in place of the case's own: percent of first tokens that become the donor's, by the "
        f"layer whose output is replaced.\n\n{table(['donor, part', 'cases', *map(str, shown)], lines)}"
    )


def _crossed(found: dict[str, Any]) -> str:
    lines = []
    for row in found["crossovers"]:
        rank = next(
            (r for r in found["foretelling"] if (r["target"], r["predictor"]) == (row["target"], "crossover")), None
        )
        told = (
            ""
            if rank is None or rank["rho"] is None
            else f"{rank['rho']:.2f} ({rank['rho_low']:.2f} to {rank['rho_high']:.2f})"
        )
        quartiles = f"{row['median']:g} ({row['low']:g} to {row['high']:g})"
        lines.append([row["target"], row["n"], quartiles, f"{100 * row['deep']:.0f}", told])
    columns = ["named", "cases", "crossover: layer (quartiles)", "in the second half, %", "correlation with the answer"]
    said = "From which layer on the lens keeps to its final side, and whether that foretells the answer."
    return f"{said}\n\n{table(columns, lines)}"


def _overriding(found: dict[str, Any]) -> str:
    heads = ", ".join(f"{r['layer']}.{r['head']} ({r['side']}, {r['works_by']})" for r in found["overrides"])
    lines = [
        [
            r["heads"],
            r["target"],
            r["n"],
            _share({"rate": r["flips"], "rate_low": r["flips_low"], "rate_high": r["flips_high"]}),
            f"{100 * r['random']:.1f}",
            f"{r['p']:.2f}",
        ]
        for r in found["ablation"]
    ]
    columns = ["silenced", "named", "followed cases", "flipped, %", "by random sets, %", "p"]
    return f"Heads that stand out by patching: {heads}.\n\n{table(columns, lines)}"


def _share(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{100 * row['rate']:.0f} ({100 * row['rate_low']:.0f} to {100 * row['rate_high']:.0f})"


if __name__ == "__main__":
    page_command(__doc__, write_page, "docs/circuits_results.md")
