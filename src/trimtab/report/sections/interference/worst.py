"""The worst case over conditions."""

from __future__ import annotations

from typing import Any

from trimtab.report.interference import worst_cells
from trimtab.report.registering import Run, section

TEMPLATE = """\
{% from "table.html.j2" import table %}
<section>
<h2>The worst case</h2>
<p>The accuracy under the condition that loses most, beside the clean one on the same items, and the share of all items that are
right clean and under every condition.</p>
{{ table(["relevant", "way", "scoring", "clean, %", "worst, %", "under", "items", "right under all, %"], worst, 3) }}
</section>
"""


@section("interference", "worst", TEMPLATE)
def worst(run: Run) -> dict[str, Any]:
    """Lay out the worst cases."""
    return {"worst": worst_cells(run.summary["worst"])}
