"""The one section of the report of a measurement."""

from __future__ import annotations

from typing import Any

from trimtab.items import Skipped
from trimtab.report.measured import ratio_figure, read_contributions
from trimtab.report.section import Run, section
from trimtab.report.style import task_name

TEMPLATE = """\
<h1>How much does the answer depend on the image?</h1>
<p class="quiet">{{ summary.model }} on {{ summary.data }}, method {{ summary.method }}
{%- if summary.instruction %}, instructed: &ldquo;{{ summary.instruction }}&rdquo;{% endif %}</p>
{%- if summary.method == "mcs" %}
<p>The score says how strongly the first answer token reacts to a little noise in the cached keys and values of the
picture, and of the text (AMPS). The visual ratio is the picture's share. It measures sensitivity, <em>not</em> which
modality the answer comes from: <code>--method shapley</code> measures that. It compares items of one model, not models
with each other.</p>
{%- else %}
<p>The visual ratio is the image's share of the contributions of image and text: 1 if the answer depends on the image
alone, 0 if on the text alone. It compares items of one model, not models with each other.</p>
{%- endif %}
<figure><img src="{{ figure }}" alt="Visual ratio of each item, by task"></figure>
<table>
<tr><th class="left">task</th><th>items</th><th>mean ratio</th><th>95 % interval</th></tr>
{%- for row in rows %}
<tr><td class="left">{{ row.task }}</td><td>{{ row.n }}</td><td>{{ "%.3f"|format(row.ratio) }}</td>
<td>{{ "%.3f"|format(row.ratio_low) }} to {{ "%.3f"|format(row.ratio_high) }}</td></tr>
{%- endfor %}
</table>
{%- if skipped %}
<p>{{ skipped|length }} items could not be measured. The first: {{ skipped[0].reason }}.</p>
{%- endif %}
<p class="quiet">Options: {% for key, value in summary.options.items() %}{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}</p>
"""


@section("measurement", "ratios", TEMPLATE)
def ratios(run: Run) -> dict[str, Any]:
    """Draw the items' ratios and lay out their means."""
    summary = run.summary
    return {
        "title": f"visual ratio of {summary['model']}",
        "rows": [{**r, "task": task_name(r["task"])} for r in summary["ratios"]],
        "skipped": [Skipped(row, reason) for row, reason in summary["skipped_items"]],
        "figure": run.figure("ratio", ratio_figure(read_contributions(run.path))),
    }
