"""What is asked, and how often the intact model follows."""

from __future__ import annotations

from typing import Any

from trimtab.modalities import FACTS
from trimtab.report.registering import Run, section
from trimtab.report.words import listed
from trimtab.studies.circuits.summary import modalities_of

TEMPLATE = """\
<section>
<h2>The task</h2>
<p>Each item shows {{ shown }} that support different answers, under an instruction that names one of them.
Read at the first answer token, before any edit:</p>
<table>
<thead><tr><th class="left">named</th><th>items</th><th>following</th><th>opposite</th><th>other</th><th>items left out</th></tr></thead>
<tbody>
{%- for row in summary.baseline %}
<tr><td class="left">{{ row.target }}</td><td>{{ row.n }}</td><td>{{ "%.1f"|format(100 * row.following) }} %</td>
<td>{{ "%.1f"|format(100 * row.opposite) }} %</td><td>{{ "%.1f"|format(100 * row.other) }} %</td><td>{{ row.skipped }}</td></tr>
{%- endfor %}
</tbody>
</table>
</section>
"""


@section("circuits", "task", TEMPLATE)
def task(run: Run) -> dict[str, Any]:
    """Show the baseline of the summary."""
    return {"shown": listed([FACTS[modality].piece for modality in modalities_of(run.summary)])}
