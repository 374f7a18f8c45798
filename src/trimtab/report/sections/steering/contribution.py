"""Which modality the answers rely on; of older studies, how strongly they react to each."""

from __future__ import annotations

from typing import Any

from trimtab.contribution import Shapley
from trimtab.report.figures import contribution_figure
from trimtab.report.registering import Run, section
from trimtab.report.words import listed
from trimtab.studies import ALL_TASKS, by_modalities, share_columns

TEMPLATE = """\
<section>
{%- if effect %}
<h2>Which modality the answers rely on</h2>
<p>Each prompt is asked again with the picture, the text or both left blank. A modality's Shapley value is what it adds to
the probability of the model's own answer. The visual ratio is the picture's share of both: near 1 where the answer comes
from the picture, near 0 where it comes from the text (how well it tells them apart: docs/contribution_validity.md). Bars
are means with 95&nbsp;% bootstrap intervals, for the plain prompt and under an instruction to follow either modality.</p>
{%- else %}
<h2>How strongly the answer reacts to noise in the picture</h2>
<p>The score says how strongly the first answer token reacts to a little noise in the cached keys and values of the
picture, and of the text: the small-noise limit of AMPS's Algorithm&nbsp;1 with KL as its divergence, computed exactly.
The visual ratio is the picture's share. It measures sensitivity, <em>not</em> which modality the answer comes from:
on the pocket models it hardly tells that, while <code>trimtab measure --method shapley</code> does (numbers in
docs/contribution_validity.md). Bars are means with 95&nbsp;% bootstrap intervals, for the plain prompt and under an
instruction to follow either modality.</p>
{%- endif %}
{%- for figure, caption in figures %}
<figure><img alt="Share of a modality by task and instruction{{ caption }}" src="{{ figure }}">
{%- if caption %}<figcaption>The share{{ caption }}.</figcaption>{% endif %}</figure>
{%- endfor %}
<p class="quiet">{{ measured }} test items for each instruction.</p>
</section>
"""


@section("steering", "contribution", TEMPLATE)
def contribution(run: Run) -> dict[str, Any] | None:
    """Draw the visual ratio by task and instruction."""
    rows = run.summary["contribution"]
    if not rows:
        return None
    sets, figures = by_modalities(rows), []
    for modalities, own in sets.items():
        among, suffix = "", ""
        if len(sets) > 1:
            among, suffix = f" in items of {listed([*modalities])}", f"-of-{'-'.join(modalities)}"
        for name in share_columns(modalities):
            file = "contribution" if name == "ratio" else f"contribution-{name}"
            drawn = contribution_figure({**run.summary, "contribution": own}, name)
            figures.append((run.figure(f"{file}{suffix}", drawn), among))
    measured = max(
        sum(r["n"] for r in rows if r["task"] == ALL_TASKS and r["instruction"] == instruction and r["model"] == model)
        for model in run.summary["models"]
        for instruction in {r["instruction"] for r in rows}
    )
    effect = run.summary["contribution_method"] == Shapley.name
    return {"figures": figures, "measured": measured, "effect": effect}
