"""What an answer costs."""

from __future__ import annotations

from typing import Any

from trimtab.report.checks import cost_table
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>What an answer costs</h2>
<p>Forward passes of the decoder for one answer by itself, and token positions in them, beside those of no steering.</p>
<div class="scroll"><table>
<thead><tr><th class="left">model</th><th class="left">target</th><th class="left">method</th><th>passes</th><th>positions</th><th>ratio</th></tr></thead>
<tbody>
{%- for line in costs %}
<tr><td class="left">{{ line.model }}</td><td class="left">{{ line.target }}</td><td class="left">{{ line.method }}</td><td>{{ line.passes }}</td><td>{{ line.positions }}</td><td>{{ line.ratio }}</td></tr>
{%- endfor %}
</tbody></table></div>
</section>
"""


@section("steering", "costs", TEMPLATE)
def costs(run: Run) -> dict[str, Any] | None:
    """Lay out passes and positions of one answer."""
    lines = cost_table(run.summary)
    return {"costs": lines} if lines else None
