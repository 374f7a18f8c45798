"""The one section of the report of a measurement."""

from __future__ import annotations

from typing import Any

from trimtab.items import Skipped
from trimtab.modalities import PAIR, in_order
from trimtab.report.measured import ratio_figure, read_contributions
from trimtab.report.registering import Run, section
from trimtab.report.style import task_name

TEMPLATE = """\
<h1>How much does the answer depend on {{ asked }}?</h1>
<p class="quiet">{{ summary.model }} on {{ summary.data }}, method {{ summary.method }}
{%- if summary.instruction %}, instructed: &ldquo;{{ summary.instruction }}&rdquo;{% endif %}</p>
{%- if summary.method == "mcs" %}
<p>The score says how strongly the first answer token reacts to a little noise in the cached keys and values of each
modality (AMPS). {% if pair %}The visual ratio is the picture's share of picture and text. {% endif %}It measures sensitivity, <em>not</em> which
modality the answer comes from: on the bundled models it hardly tells that (docs/contribution_validity.md), while the
default method does. It compares items of one model, not models with each other.</p>
{%- elif pair %}
<p>The visual ratio is the image's share of the contributions of image and text: 1 if the answer depends on the image
alone, 0 if on the text alone. It compares items of one model, not models with each other.</p>
{%- endif %}
{%- if "synergy" in columns %}
<p>The synergy is what all modalities give together beyond what each gives alone: above 0 the answer needs them together,
below 0 each alone is enough, about 0 one of them decides.</p>
{%- endif %}
{%- for figure in figures %}
<figure><img src="{{ figure }}" alt="Share of a modality in each item, by task"></figure>
{%- endfor %}
<table>
<tr><th class="left">task</th><th>items</th>{% for heading in columns.values() %}<th>{{ heading }}</th><th>95 % interval</th>{% endfor %}</tr>
{%- for row in rows %}
<tr><td class="left">{{ row.task }}</td><td>{{ row.n }}</td>
{%- for name in columns %}<td>{{ "%.3f"|format(row[name]) }}</td>
<td>{% if row[name ~ "_low"] is none %}none{% else %}{{ "%.3f"|format(row[name ~ "_low"]) }} to {{ "%.3f"|format(row[name ~ "_high"]) }}{% endif %}</td>{% endfor %}</tr>
{%- endfor %}
</table>
{%- if skipped %}
<p>{{ skipped|length }} items could not be measured. The first: {{ skipped[0].reason }}.</p>
{%- endif %}
<p class="quiet">Options: {% for key, value in summary.options.items() %}{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}</p>
"""


@section("measurement", "ratios", TEMPLATE)
def ratios(run: Run) -> dict[str, Any]:
    """Draw the items' shares and lay out their means."""
    summary, found = run.summary, read_contributions(run.path)
    measured = in_order(modality for c in found for modality in c.modalities)
    if measured == PAIR:
        figures, columns = [run.figure("ratio", ratio_figure(found))], {"ratio": "mean ratio"}
    else:
        figures = [run.figure(f"share-{modality}", ratio_figure(found, modality)) for modality in measured]
        columns = {f"share_{modality}": f"share of the {modality}" for modality in measured}
    if all(c.synergy is not None for c in found):
        columns["synergy"] = "synergy"
    return {
        "title": f"visual ratio of {summary['model']}" if measured == PAIR else f"contributions in {summary['model']}",
        "pair": measured == PAIR,
        "asked": "the image" if measured == PAIR else "each modality",
        "rows": [{**r, "task": task_name(r["task"])} for r in summary["ratios"]],
        "columns": columns,
        "skipped": [Skipped(row, reason) for row, reason in summary["skipped_items"]],
        "figures": figures,
    }
