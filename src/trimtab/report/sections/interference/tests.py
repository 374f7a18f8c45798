"""Paired tests against the clean condition."""

from __future__ import annotations

from typing import Any

from trimtab.report.interference import paired_cells
from trimtab.report.registering import Run, section

TEMPLATE = """\
{% from "table.html.j2" import table %}
<section>
<h2>Paired tests</h2>
<p>Accuracy minus clean accuracy on the same items, in percentage points, with 95&nbsp;% bootstrap intervals and the
exact McNemar test (where several items are about the same thing, both of whole clusters: a sign-flip test); the last column is
corrected for the number of conditions (Holm). The smallest that can be shown is the difference below which no result of so
many items could have been significant.</p>
{{ table(["relevant", "way", "scoring", "condition", "difference", "95 % interval", "p", "p, corrected", "smallest that can be shown"], tests, 4) }}
</section>
"""


@section("interference", "tests", TEMPLATE)
def tests(run: Run) -> dict[str, Any]:
    """Lay out the paired tests."""
    return {"tests": paired_cells(run.summary["effects"])}
