"""The scores of all heads, and the chosen ones."""

from __future__ import annotations

from typing import Any

from trimtab.report.circuits import chosen_heads
from trimtab.report.circuits_figures import heads_figure
from trimtab.report.registering import Run, section
from trimtab.studies.circuits.summary import modalities_of

TEMPLATE = """\
<section>
<h2>The heads</h2>
<figure><img alt="Head scores by layer and head" src="{{ images.heads }}"></figure>
<p>{{ summary.choice.count }} of {{ summary.model.layers * summary.model.heads }} heads, chosen by the score
<code>{{ summary.choice.score }}</code>, whose blocked heads lower following most beyond what they lower plain abilities, on validation items:</p>
<table>
{%- set roles = heads|selectattr("role")|list %}
<thead><tr><th>rank</th><th>layer</th><th>head</th>{% if roles %}<th class="left">role</th>{% endif %}{% for modality in named %}<th>{{ modality }} named</th>{% endfor %}</tr></thead>
<tbody>
{%- for head in heads %}
<tr><td>{{ head.rank }}</td><td>{{ head.layer }}</td><td>{{ head.head }}</td>{% if roles %}<td class="left">{{ head.role }}</td>{% endif %}
{% for modality in named %}<td>{{ "%.3f"|format(head[modality]) }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
<p class="quiet">How stable each choice is, on random halves of the items:
{% for choice in summary.choices %}{{ choice.score }}: overlap {{ "%.2f"|format(choice.jaccard) }} (chance
{{ "%.2f"|format(choice.chance) }}), rank correlation {{ "%.2f"|format(choice.spearman) }}{{ "; " if not loop.last else "." }}
{% endfor %}</p>
</section>
"""


@section("circuits", "heads", TEMPLATE)
def heads(run: Run) -> dict[str, Any]:
    """Draw the scores and list the chosen heads."""
    images = {"heads": run.figure("heads", heads_figure(run.summary))}
    return {"images": images, "heads": chosen_heads(run.summary), "named": modalities_of(run.summary)}
