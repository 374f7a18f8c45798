"""What a scaling adds at the same strength."""

from __future__ import annotations

from typing import Any

from trimtab.report.power import paired_power
from trimtab.report.registering import Run, section
from trimtab.report.tables import equal_strength_table

TEMPLATE = """\
<section>
<h2>What a scaling of each item's strength adds at equal strength</h2>
<p>The difference of two following rates in percentage points, on the same items, at the same layer and strength, with its
95&nbsp;% interval and the number of items: a strength that was chosen has all test items, others those of the curves below.
A scaling that is 1 on average has the other's mean strength here; the <i>literal</i> and <i>doubled</i> readings
of AMPS have twice that. Bold where Holm's correction over all comparisons of that pair leaves it below 0.05.</p>
<div class="scroll">
<table>
<thead><tr><th class="left">model</th><th class="left">target</th><th class="left">comparison</th>
{%- for strength in strengths %}<th>strength {{ strength }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for line in equal_lines %}
<tr><td class="left">{{ line.model }}</td><td class="left">{{ line.target }}</td><td class="left">{{ line.pair }}</td>
{%- for cell in line.cells %}<td{% if cell.best %} class="best"{% endif %}>{{ cell.text }} <small>{{ cell.note }}</small></td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
</div>
<p class="quiet">{{ power }}</p>
</section>
"""


@section("steering", "equal_strength", TEMPLATE)
def equal_strength(run: Run) -> dict[str, Any] | None:
    """Lay out differences at equal strength."""
    strengths, lines = equal_strength_table(run.summary)
    if not lines:
        return None
    return {"strengths": strengths, "equal_lines": lines, "power": paired_power(run.summary["equal_strength"])}
