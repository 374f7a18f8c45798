"""What the edits really touched."""

from __future__ import annotations

from typing import Any

from trimtab.report.registering import Run, section
from trimtab.report.tables import receipt_table

TEMPLATE = """\
<section>
<h2>Receipts: what the edits really touched</h2>
<p>An edit that silently does not apply is the commonest mistake with steering. These are counts from the evaluation
itself; the relative change is the mean size of the added vector against the state it is added to.</p>
<div class="scroll">
<table>
<thead><tr><th class="left">model</th><th class="left">edit</th><th>layer</th><th class="left">used there by</th><th>rows</th>
<th>prompt<br>positions</th><th>generated<br>positions</th><th>relative<br>change</th></tr></thead>
<tbody>
{%- for row in receipts %}
<tr><td class="left">{{ row.model }}</td><td class="left">{{ row.edit }}</td><td>{{ row.layer }}</td><td class="left wrap">{{ row.methods }}</td>
<td>{{ row.rows }}</td><td>{{ row.prompt_positions }}</td><td>{{ row.generated_positions }}</td><td>{{ row.relative_change }}</td></tr>
{%- endfor %}
</tbody>
</table>
</div>
</section>
"""


@section("steering", "receipts", TEMPLATE)
def receipts(run: Run) -> dict[str, Any] | None:
    """Add up the receipts of all evaluation steps."""
    rows = receipt_table(run.provenance, run.summary)
    return {"receipts": rows} if rows else None
