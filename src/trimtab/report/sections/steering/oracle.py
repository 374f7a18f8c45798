"""What a perfect choice of strength would reach."""

from __future__ import annotations

from typing import Any

from trimtab.report.checks import oracle_table
from trimtab.report.methods import choosers, method_name
from trimtab.report.power import oracle_power
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>What a perfect choice of strength would reach</h2>
<p>On the test items tried at every strength: the best single strength, and the share of items that some strength makes
follow the target, which takes labels to know{% for name in choosers %}; and {{ name }}, which chooses without them, as it stands
and as a share of that oracle{% endfor %}.</p>
<div class="scroll"><table>
<thead><tr><th class="left">model</th><th class="left">target</th><th class="left">method</th><th>items</th><th>best fixed</th>
<th>per-item oracle</th>{% for name in choosers %}<th>{{ name }}</th><th>of the oracle</th>{% endfor %}</tr></thead>
<tbody>
{%- for line in oracles %}
<tr><td class="left">{{ line.model }}</td><td class="left">{{ line.target }}</td><td class="left">{{ line.method }}</td><td>{{ line.items }}</td><td>{{ line.best_fixed }}</td><td>{{ line.oracle }}</td>{% for cell in line.reached %}<td>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table></div>
<p class="quiet">{{ power }}</p>
</section>
"""


@section("steering", "oracle", TEMPLATE)
def oracle(run: Run) -> dict[str, Any] | None:
    """Lay out the best single strength, the best of each item, and what methods reach that choose it themselves."""
    if not run.summary["oracle"]:
        return None
    return {
        "oracles": oracle_table(run.summary),
        "choosers": [method_name(m) for m in choosers(run.summary)],
        "power": oracle_power(run.summary["oracle"]),
    }
