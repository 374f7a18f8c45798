"""The report of an ablation of hardening: accuracy of every variant, preference and cost."""

from __future__ import annotations

from typing import Any

from trimtab.report.hardening import (
    CUTS,
    accuracy_lines,
    cost_lines,
    family_items,
    hardening_in_brief,
    loss_columns,
    loss_lines,
    preference_columns,
    preference_lines,
)
from trimtab.report.methods import method_name
from trimtab.report.registering import Run, section

TEMPLATE = """\
{% from "table.html.j2" import table %}
{% from "brief.html.j2" import brief %}
<header>
<h1>Which way of hardening helps?</h1>
<p class="quiet">{{ summary.model.name }} &middot; {{ summary.plan.data }} &middot; seeds {{ summary.plan.seeds|join(", ") }} &middot;
trimtab {{ provenance.versions.trimtab }}</p>
</header>
{%- if briefs %}
<section class="verdict">
{{ brief(["Does it help?", "Which variant?", "At what price?"], briefs) }}
</section>
{%- endif %}
<section>
<h2>Accuracy of every variant</h2>
<p>In percent, averaged over seeds, with 95&nbsp;% intervals over items; those about the same
thing count together. Seen perturbations
({{ summary.seen|join(", ")|replace("_", " ") }}) were trained on, unseen ones ({{ summary.unseen|join(", ")|replace("_", " ") }}) were not. The worst one is
that which loses most of the clean answers.</p>
{%- for family, items, lines in accuracy %}
<h3>relevant: {{ family }} ({{ items }})</h3>
{{ table(["variant"] + cuts|list, lines, 1) }}
{%- endfor %}
<h3>What the worst one loses</h3>
<p>Points below the clean answers of the same items, with a 95&nbsp;% interval; then what the worst of as many would lose
if the answers were given to the conditions at random.</p>
{{ table(["variant"] + loss_columns|list, losses, 1) }}
</section>
{% if preference -%}
<section>
<h2>What each model follows where modalities conflict</h2>
<p>Percent of conflict items that follow the target: by itself, told, and steered by a vector fitted anew.</p>
{{ table(["variant"] + columns, preference, 1) }}
</section>
{%- endif %}
<section>
<h2>What hardening costs</h2>
<p>Work is counted in thousands of forward passes of a token; the last columns are relative to plain augmentation.</p>
{{ table(["run", "steps", "seconds", "work", "seconds, ratio", "work, ratio"], cost, 1) }}
</section>
"""


@section("hardening", "ablation", TEMPLATE)
def ablation(run: Run) -> dict[str, Any]:
    """Lay out accuracies, preferences and costs."""
    families = dict.fromkeys(r["relevant"] for r in run.summary["accuracy"])
    return {
        "title": f"hardening: {run.summary['model']['name']}",
        "briefs": hardening_in_brief(run.summary),
        "cuts": CUTS,
        "accuracy": [(f, family_items(run.summary, f), accuracy_lines(run.summary, f)) for f in families],
        "losses": loss_lines(run.summary),
        "loss_columns": [f"{family}: {cut}" for family, cut in loss_columns(run.summary)],
        "preference": preference_lines(run.summary),
        "columns": [f"{target}: {method_name(method)}" for target, method in preference_columns(run.summary)],
        "cost": cost_lines(run.summary),
    }
