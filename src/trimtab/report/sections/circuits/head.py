"""What was explained, and what the model says to the paper's claims."""

from __future__ import annotations

from typing import Any

from trimtab.modalities import PAIR
from trimtab.report.circuits import claims_in_brief
from trimtab.report.registering import Run, section
from trimtab.report.words import listed
from trimtab.studies.circuits.summary import modalities_of

TEMPLATE = """\
<header>
<h1>Where and by which heads is the conflict decided?</h1>
<p class="quiet">{{ summary.name }} &middot; {{ summary.model.layers }} layers of {{ summary.model.heads }} heads &middot;
{{ summary.plan.data }} &middot; seed {{ summary.seed }} &middot; trimtab {{ provenance.versions.trimtab }}</p>
</header>
<section class="verdict">
<p><strong>{{ brief }}</strong></p>
<p><strong>What this model says to the claims of Instruction Anchor (arXiv 2602.03677)</strong>{% if not the_papers %}, which the paper makes about image and text and this page asks of {{ named }}{% endif %}</p>
<ul>
{%- for claim in summary.claims %}
<li><strong>{{ claim.verdict }}</strong>: {{ claim.claim }} <span class="quiet">{{ claim.evidence }}. Rule: {{ claim.rule }}.</span></li>
{%- endfor %}
</ul>
</section>
"""


@section("circuits", "head", TEMPLATE)
def head(run: Run) -> dict[str, Any]:
    """Name the page after the model; say so where other modalities than the paper's are asked about."""
    named = modalities_of(run.summary)
    return {
        "title": f"circuits: {run.summary['name']}",
        "the_papers": named == PAIR,
        "named": listed([*named]),
        "brief": claims_in_brief(run.summary),
    }
