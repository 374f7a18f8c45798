"""Following against collapse."""

from __future__ import annotations

from typing import Any

from trimtab.file_names import file_name
from trimtab.report.curves import pareto_figure
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>Following against collapse</h2>
<p>Each point is a method at one strength: the higher and the further left, the better. Rings mark the strengths chosen
on validation items. The items are those of the curves above.</p>
{%- for figure in pareto_figures %}
<h3>{{ figure.model }}</h3>
<figure><img alt="Following against collapse of {{ figure.model }}" src="{{ figure.image }}"></figure>
{%- endfor %}
</section>
"""


@section("steering", "pareto", TEMPLATE)
def pareto(run: Run) -> dict[str, Any]:
    """Draw a point for each method and strength, a figure for each model."""
    figures = [
        {"model": m, "image": run.figure(f"pareto-{file_name(m)}", pareto_figure(run.summary, m))}
        for m in run.summary["models"]
    ]
    return {"pareto_figures": figures}
