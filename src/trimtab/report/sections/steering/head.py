"""What was asked, and the answer in words."""

from __future__ import annotations

from typing import Any

from trimtab.report.methods import main_pair
from trimtab.report.registering import Run, section
from trimtab.report.words import headline, pair_verdict, verdicts

TEMPLATE = """\
<header>
<h1>{{ asked }}: which does the model follow?</h1>
<p class="quiet">{{ title }} &middot; {{ models|join(", ") }} &middot; seed {{ seed }} &middot; trimtab {{ version }}</p>
</header>
<section class="verdict">
<p><strong>{{ headline }}</strong></p>
<ul>
{%- for sentence in verdicts %}
<li>{{ sentence }}</li>
{%- endfor %}
</ul>
</section>
"""


@section("steering", "head", TEMPLATE)
def head(run: Run) -> dict[str, Any]:
    """Say what the study found, case by case."""
    summary, pair = run.summary, main_pair(run.summary)
    asked = " or ".join(summary["modalities"])
    return {
        "title": summary["study"],
        "asked": asked[:1].upper() + asked[1:],
        "models": list(summary["models"]),
        "seed": summary["seed"],
        "version": run.provenance["versions"]["trimtab"],
        "headline": headline(summary),
        "verdicts": [*([] if pair is None else [pair_verdict(summary)]), *verdicts(summary)],
    }
