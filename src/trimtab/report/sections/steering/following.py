"""How often each method makes the model follow the target."""

from __future__ import annotations

from typing import Any

from trimtab.modalities import FACTS
from trimtab.report.power import paired_power
from trimtab.report.registering import Run, section
from trimtab.report.tables import following_tables
from trimtab.report.words import listed

TEMPLATE = """\
<section>
<h2>How often each method makes the model follow the target</h2>
<p>Each item shows {{ shown }} that support different answers. The numbers are following rates in percent:
the share of test items answered as the target modality says. Total is given with its 95&nbsp;% Wilson interval;
others is the share that follows another modality; collapse is the share of broken replies. The best rate of a
model in each column stands out.{% if seeds %} Rates of methods that were fitted with several seeds are means over
seeds; the range of the totals over seeds stands beside their interval, which is over items.{% endif %}</p>
{%- for table in tables %}
<h3>Target: {{ table.target }}{% if table.protocol != "open" %} ({{ table.protocol }} protocol){% endif %}</h3>
<div class="scroll">
<table class="wide">
<thead><tr><th class="left">model</th><th class="left">method</th><th>strength</th>
{%- for task, n in table.headings %}<th>{{ task }}<br><small>n = {{ n }}</small></th>{% endfor %}<th>total</th><th>others</th><th>collapse</th></tr></thead>
<tbody>
{%- for line in table.lines %}
<tr{% if line.first %} class="first"{% endif %}>
{%- if line.first %}<th class="left" rowspan="{{ line.size }}">{{ line.model }}</th>{% endif -%}
<td class="left">{{ line.method }}</td><td>{{ line.strength }}</td>
{%- for cell in line.cells %}<td{% if cell.best %} class="best"{% endif %} title="{{ cell.note }}">{{ cell.text }}</td>{% endfor -%}
<td class="total{% if line.total.best %} best{% endif %}">{{ line.total.text }} <small>{{ line.total.note }}</small></td>
<td>{{ line.others.text }}</td><td>{{ line.collapse.text }}</td></tr>
{%- endfor %}
</tbody>
</table>
</div>
{%- endfor %}
<p class="quiet">{{ items }} test items, the same for every method. {{ power }}</p>
</section>
"""


@section("steering", "following", TEMPLATE)
def following(run: Run) -> dict[str, Any]:
    """Lay out following rates, a table for each protocol and target."""
    tables = following_tables(run.summary)
    shown = listed([FACTS[modality].piece for modality in run.summary["modalities"]])
    return {
        "tables": tables,
        "items": max(table.items for table in tables),
        "shown": shown,
        "seeds": bool(run.summary["seeds"]),
        "power": paired_power(run.summary["paired"]),
    }
