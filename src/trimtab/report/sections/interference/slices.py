"""Effects by task and tag."""

from __future__ import annotations

from typing import Any

from trimtab.report.interference import EFFECTS, slice_cells
from trimtab.report.registering import Run, section

TEMPLATE = """\
{% from "table.html.j2" import table %}
<section>
<h2>By task and tag</h2>
{{ table(["slice"] + headings|list, slices, 5) }}
</section>
"""


@section("interference", "slices", TEMPLATE)
def slices(run: Run) -> dict[str, Any] | None:
    """Lay out the effects of each slice."""
    lines = slice_cells(run.summary["effects"])
    return {"slices": lines, "headings": EFFECTS} if lines else None
