"""What was asked, and the answer in words."""

from __future__ import annotations

from typing import Any

from trimtab.report.brief import RULE, briefs, in_words
from trimtab.report.methods import main_pair
from trimtab.report.registering import Run, section
from trimtab.report.words import outcome, pair_verdict, verdicts

TEMPLATE = """\
{% from "brief.html.j2" import brief %}
<header>
<h1>{{ asked }}: which does the model follow?</h1>
<p class="quiet">{{ title }} &middot; {{ models|join(", ") }} &middot; seed {{ seed }} &middot; trimtab {{ version }}</p>
</header>
<section class="verdict">
<p><strong>{{ outcome }}</strong></p>
{%- if briefs %}
{{ brief(["Does it work?", "Which method?", "At what price?"], briefs) }}
<p class="quiet">{{ rule }}</p>
{%- endif %}
</section>
<section>
<h2>Case by case</h2>
<ul>
{%- for sentence in verdicts %}
<li>{{ sentence }}</li>
{%- endfor %}
</ul>
<h3>The methods in words</h3>
<dl>
{%- for name, does in methods %}
<dt>{{ name }}</dt><dd>{{ does }}</dd>
{%- endfor %}
</dl>
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
        "outcome": outcome(summary),
        "briefs": [(one.case, [one.works, one.use, one.price]) for one in briefs(summary)],
        "rule": RULE,
        "methods": in_words(summary),
        "verdicts": [*([] if pair is None else [pair_verdict(summary)]), *verdicts(summary)],
    }
