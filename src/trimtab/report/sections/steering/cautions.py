"""What the numbers can and cannot show."""

from __future__ import annotations

from typing import Any

from trimtab.report.registering import Run, section
from trimtab.report.words import cautions as said

TEMPLATE = """\
<section>
<h2>What these numbers can and cannot show</h2>
{%- for caution in cautions %}
<p>{{ caution }}</p>
{%- endfor %}
</section>
"""


@section("steering", "cautions", TEMPLATE)
def cautions(run: Run) -> dict[str, Any]:
    """Say what results on these models can and cannot show."""
    return {"cautions": said(run.summary)}
