"""AMPS's own numbers beside this study's."""

from __future__ import annotations

from typing import Any

from trimtab.report.checks import paper_table
from trimtab.report.methods import method_name
from trimtab.report.paper import COLUMNS
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>Beside the paper</h2>
<p>AMPS's Table&nbsp;2 in percent, with three of its totals corrected to the mean of their cells, and this study's rows of
the same shape. Models, pictures and items differ: compare the order of the columns, not their size.</p>
<div class="scroll"><table>
<thead><tr><th class="left">model</th><th class="left">target</th>{% for name in columns %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for line in paper %}
<tr><td class="left">{{ line[0] }}</td><td class="left">{{ line[1] }}</td>{% for cell in line[2:] %}<td>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div>
</section>
"""


@section("steering", "paper", TEMPLATE)
def paper(run: Run) -> dict[str, Any] | None:
    """Set the paper's Table 2 over rows of the same shape, if the study has a method of the paper's own."""
    if not {"l2s", "amps"} & {row["method"] for row in run.summary["rows"]}:
        return None
    names = ["no steering" if method == "none" else method_name(method) for method in COLUMNS]
    return {"paper": paper_table(run.summary), "columns": names}
