"""What a run was made with; every report ends with it."""

from __future__ import annotations

from typing import Any

from trimtab.report.registering import ANY, Run, section

TEMPLATE = """\
<section>
<h2>Provenance</h2>
<dl>
{%- for name, value in lines %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{%- endfor %}
</dl>
<p class="quiet">Everything above can be recomputed from the files in this folder.</p>
</section>
"""


@section(ANY, "provenance", TEMPLATE)
def provenance(run: Run) -> dict[str, Any]:
    """Lay out the provenance as names and values."""
    return {"lines": _lines(run.provenance)}


def _lines(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """Lay out the provenance as names and values, one line each."""
    hardware, cost = provenance["hardware"], provenance.get("evaluation")
    lines = [("versions", ", ".join(f"{k} {v}" for k, v in provenance["versions"].items()))]
    if provenance.get("commit"):
        lines.append(("commit", provenance["commit"]))
    lines += [
        (
            name,
            f"fingerprint {m['fingerprint']}; {m['family']}, {m['layers']} layers, {m['heads']} heads, "
            f"{m['parameters'] / 1e6:.1f} M parameters, {m['dtype']}",
        )
        for name, m in provenance.get("models", {}).items()
    ]
    lines += [
        (
            "items" if split == "items" else f"{split} items",
            f"{d['items']}{_skipped(d)}, fingerprint {d['fingerprint'][:16]}",
        )
        for split, d in provenance.get("data", {}).items()
    ]
    lines.append(("machine", ", ".join(f"{k} {v}" for k, v in hardware.items() if v)))
    if "seconds" in provenance:
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


def _skipped(split: dict[str, Any]) -> str:
    skipped = split.get("skipped", 0)
    return f" ({skipped} {'row' if skipped == 1 else 'rows'} of its file skipped)" if skipped else ""
