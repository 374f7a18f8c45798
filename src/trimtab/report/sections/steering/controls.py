"""What steering breaks where nothing conflicts."""

from __future__ import annotations

from typing import Any

from trimtab.report.checks import control_kinds, control_name, control_table
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>What steering breaks where nothing conflicts</h2>
<p>Accuracy in percent on questions with one right answer, with the change against no steering in points: conflict items
asked with the evidence of one modality alone, and questions that need both. The divergence is the mean KL, in
nats, of the first answer token from the unsteered one.</p>
<div class="scroll"><table>
<thead><tr><th class="left">model</th><th class="left">target</th><th class="left">method</th>
{%- for kind in control_kinds %}<th>{{ kind }}</th>{% endfor %}<th>divergence</th></tr></thead>
<tbody>
{%- for line in controls %}
<tr><td class="left">{{ line.model }}</td><td class="left">{{ line.target }}</td><td class="left">{{ line.method }}</td>
{%- for cell in line.cells %}<td>{{ cell }}</td>{% endfor %}<td>{{ line.divergence }}</td></tr>
{%- endfor %}
</tbody></table></div>
</section>
"""


@section("steering", "controls", TEMPLATE)
def controls(run: Run) -> dict[str, Any] | None:
    """Lay out accuracy on items without a conflict."""
    lines = control_table(run.summary)
    return (
        {"controls": lines, "control_kinds": [control_name(k) for k in control_kinds(run.summary)]} if lines else None
    )
