"""What was diagnosed, and the findings in words."""

from __future__ import annotations

from typing import Any

from trimtab.report.interference import interference_in_brief, interference_verdicts
from trimtab.report.registering import Run, section

TEMPLATE = """\
<header>
<h1>Does what does not matter change the answer?</h1>
<p class="quiet">{{ summary.model.name }} &middot; {{ summary.plan.data }} &middot; {{ summary["items"].asked }} items,
{{ summary["items"].skipped|length }} skipped &middot; seed {{ summary.plan.diagnosis.seed }} &middot; trimtab {{ provenance.versions.trimtab }}</p>
</header>
<section class="verdict">
<p><strong>{{ brief }}</strong></p>
<ul>
{%- for sentence in verdicts %}
<li>{{ sentence }}</li>
{%- endfor %}
</ul>
</section>
"""


@section("interference", "head", TEMPLATE)
def head(run: Run) -> dict[str, Any]:
    """Say what perturbing does, family by family."""
    title = f"interference: {run.summary['model']['name']}"
    return {
        "title": title,
        "brief": interference_in_brief(run.summary),
        "verdicts": interference_verdicts(run.summary),
    }
