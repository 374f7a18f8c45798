"""What steering breaks where nothing conflicts."""

from __future__ import annotations

from typing import Any

from trimtab.report.checks import control_items, control_kinds, control_name, control_table
from trimtab.report.power import control_power
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>What steering breaks where nothing conflicts</h2>
<p>Accuracy in percent on questions with one right answer, and in brackets the difference from no steering in points, on
the same items. Small: its 95&nbsp;% interval, and the share of answers that are in other words than the unsteered ones.
Bold where the exact McNemar test, with Holm's correction over all controls of a method, leaves the difference below
0.05. With one modality alone there is nothing to choose between; in the other kinds a picture and a text are both
there: a text that says nothing of the question beside a picture that has the answer, a text that agrees with the
picture, a picture that says nothing of the question beside a text that has the answer, and questions that need both.
The divergence is the mean KL, in nats, of the first answer token from the unsteered one.</p>
<div class="scroll"><table>
<thead><tr><th class="left">model</th><th class="left">target</th><th class="left">method</th>
{%- for kind in control_kinds %}<th>{{ kind }}</th>{% endfor %}<th>divergence</th></tr></thead>
<tbody>
{%- for line in controls %}
<tr><td class="left">{{ line.model }}</td><td class="left">{{ line.target }}</td><td class="left">{{ line.method }}</td>
{%- for cell in line.cells %}<td{% if cell.best %} class="best"{% endif %}>{{ cell.text }}<br><small>{{ cell.note }}</small></td>{% endfor %}<td>{{ line.divergence }}</td></tr>
{%- endfor %}
</tbody></table></div>
<p class="quiet">{{ power }} Items of each kind: {{ control_items|join("; ") }}.</p>
</section>
"""


@section("steering", "controls", TEMPLATE)
def controls(run: Run) -> dict[str, Any] | None:
    """Lay out accuracy on items without a conflict."""
    lines = control_table(run.summary)
    if not lines:
        return None
    return {
        "controls": lines,
        "control_kinds": [control_name(kind) for kind in control_kinds(run.summary)],
        "control_items": control_items(run.summary),
        "power": control_power([row for row in run.summary["controls"] if row["chosen"]]),
    }
