"""Method against method, on the same items."""

from __future__ import annotations

from typing import Any

from trimtab.report.figures import paired_figure
from trimtab.report.methods import main_pair, method_name, shown_pairs
from trimtab.report.power import paired_power
from trimtab.report.registering import Run, section
from trimtab.report.tables import paired_table

TEMPLATE = """\
<section>
<h2>Method against method, on the same items</h2>
<p>The difference of two following rates in percentage points, with a 95&nbsp;% bootstrap interval over items. The
last columns count the items that only the first or only the second method answers as the target says, give the exact
McNemar test of whether they split evenly (with several seeds, counts of a mean seed, and the exact test in which an item's
seeds flip together), the same with Holm's correction over all models, targets and protocols of
that pair, and Cohen's g, its effect size (0.05 small, 0.15 medium, 0.25 large).</p>
{%- if figure %}
<figure><img alt="Paired differences of {{ pair }} with their intervals" src="{{ figure }}"></figure>
{%- endif %}
<div class="scroll">
<table>
<thead><tr><th class="left">model</th><th class="left">target</th><th class="left">comparison</th><th>difference</th>
<th>95 % interval</th><th>only first : only second</th><th>p</th><th>p (Holm)</th><th>g</th></tr></thead>
<tbody>
{%- for line in paired %}
<tr><td class="left">{{ line.model }}</td><td class="left">{{ line.target }}{% if line.protocol != "open" %}, {{ line.protocol }}{% endif %}</td><td class="left">{{ line.pair }}</td>
<td{% if line.decided %} class="best"{% endif %}>{{ line.difference }}</td><td>{{ line.interval }}</td><td>{{ line.split }}</td><td>{{ line.p }}</td><td>{{ line.p_holm }}</td><td>{{ line.effect }}</td></tr>
{%- endfor %}
</tbody>
</table>
</div>
<p class="quiet">{{ power }}</p>
</section>
"""


@section("steering", "paired", TEMPLATE)
def paired(run: Run) -> dict[str, Any] | None:
    """Compare each method with those that it says it is compared with."""
    lines, pair = paired_table(run.summary, shown_pairs(run.summary)), main_pair(run.summary)
    if not lines:
        return None
    figure = None if pair is None else paired_figure(run.summary, *pair)
    pairs = set(shown_pairs(run.summary))
    shown = [row for row in run.summary["paired"] if (row["method"], row["baseline"]) in pairs]
    return {
        "paired": lines,
        "power": paired_power(shown),
        "pair": "" if pair is None else " and ".join(map(method_name, pair)),
        "figure": "" if figure is None else run.figure("paired", figure),
    }
