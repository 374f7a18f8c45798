"""Blocking and amplifying the chosen heads."""

from __future__ import annotations

from typing import Any

from trimtab.modalities import FACTS
from trimtab.report.circuits import intervention_table, losses, measures_of
from trimtab.report.circuits_figures import interventions_figure
from trimtab.report.registering import Run, section
from trimtab.studies.circuits.summary import modalities_of

TEMPLATE = """\
<section>
<h2>Blocking and amplifying</h2>
<p>On test items that no choice has seen; heads are edited at <code>{{ summary.plan.scope }}</code>. Percent of the answers
that are right, and the change in points. The figure has 95&nbsp;% intervals, in which all answers to one item count together.
What blocking takes, on these and further items, with intervals that hold together: {{ losses|join("; ") }}.</p>
<figure><img alt="Rates under every condition" src="{{ images.interventions }}"></figure>
<div class="scroll">
<table class="wide">
<thead><tr><th class="left">condition</th>{% for measure in measures %}<th>{{ measure }}</th>{% endfor %}
<th>opposite</th><th>collapse</th><th>perplexity</th></tr></thead>
<tbody>
{%- for line in rates %}
<tr><td class="left">{{ line.condition }}</td>{% for cell in line.cells %}<td>{{ cell }}</td>{% endfor %}
<td>{{ line.opposite }}</td><td>{{ line.collapse }}</td><td>{{ line.perplexity }}</td></tr>
{%- endfor %}
</tbody>
</table>
</div>
<h3>What amplification repairs and breaks ({{ summary.choice.amplification }})</h3>
<table>
<thead><tr><th class="left">named</th><th>failures</th><th>repaired</th><th>failures of able items</th><th>repaired</th>
<th>successes</th><th>broken</th><th>net, points</th></tr></thead>
<tbody>
{%- for row in summary.recovery %}
<tr><td class="left">{{ row.target }}</td><td>{{ row.failed }}</td>
<td>{{ "%.0f %%"|format(100 * row.repaired) if row.repaired is not none else "" }}</td><td>{{ row.able_failed }}</td>
<td>{{ "%.0f %%"|format(100 * row.able_repaired) if row.able_repaired is not none else "" }}</td><td>{{ row.followed }}</td>
<td>{{ "%.0f %%"|format(100 * row.broken) if row.broken is not none else "" }}</td><td>{{ "%+.1f"|format(100 * row.net) }}</td></tr>
{%- endfor %}
</tbody>
</table>
<p class="quiet">Able: the item is answered right from {{ alone }}, so a failure is one of
arbitration, not of {{ senses }}.</p>
</section>
"""


@section("circuits", "interventions", TEMPLATE)
def interventions(run: Run) -> dict[str, Any]:
    """Draw and lay out the rates under every condition."""
    figure = run.figure("interventions", interventions_figure(run.summary))
    rates, measures = intervention_table(run.summary), measures_of(run.summary)
    facts = [FACTS[modality] for modality in modalities_of(run.summary)]
    return {
        "images": {"interventions": figure},
        "rates": rates,
        "losses": losses(run.summary),
        "measures": measures,
        "alone": " and from ".join(f"the {one.piece.removeprefix('a ')} alone" for one in facts),
        "senses": " or ".join(one.sense for one in facts),
    }
