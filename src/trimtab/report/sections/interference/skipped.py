"""Items that were left out."""

from __future__ import annotations

from typing import Any

from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>Skipped items</h2>
<ul>
{%- for skipped in summary["items"].skipped[:20] %}
<li>row {{ skipped.row }}: {{ skipped.reason }}</li>
{%- endfor %}
</ul>
</section>
"""


@section("interference", "skipped", TEMPLATE)
def skipped(run: Run) -> dict[str, Any] | None:
    """Show the skipped items of the summary, if there are any."""
    return {} if run.summary["items"]["skipped"] else None
