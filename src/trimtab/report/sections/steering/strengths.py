"""Following and collapse against strength."""

from __future__ import annotations

from typing import Any

from trimtab.file_names import file_name
from trimtab.report.figures import strength_figure
from trimtab.report.registering import Run, section
from trimtab.studies import ALL_TASKS

TEMPLATE = """\
<section>
<h2>Following and collapse against strength</h2>
<p>Each curve starts at the model without steering (strength&nbsp;0). Bands are 95&nbsp;% intervals; the ring marks
the strength chosen on validation items; dashed lines are the conditions that have no strength.</p>
{%- for figure in strength_figures %}
<h3>{{ figure.model }}</h3>
<figure><img alt="Following and collapse rate of {{ figure.model }} against strength" src="{{ figure.image }}"></figure>
{%- endfor %}
<p class="quiet">The same {{ swept }} test items at every strength; the tables above have all {{ items }}.</p>
</section>
"""


@section("steering", "strengths", TEMPLATE)
def strengths(run: Run) -> dict[str, Any]:
    """Draw the curves of each model."""
    totals = [r for r in run.summary["rows"] if r["task"] == ALL_TASKS]
    items = max(r["n"] for r in totals if r["chosen"])
    figures = [
        {"model": m, "image": run.figure(f"strength-{file_name(m)}", strength_figure(run.summary, m))}
        for m in run.summary["models"]
    ]
    swept = max((r["n"] for r in totals if not r["chosen"]), default=items)
    return {"strength_figures": figures, "items": items, "swept": swept}
