"""How strongly the answer reacts to each modality."""

from __future__ import annotations

from typing import Any

from trimtab.report.figures import contribution_figure
from trimtab.report.registering import Run, section
from trimtab.studies import ALL_TASKS

TEMPLATE = """\
<section>
<h2>How strongly the answer reacts to noise in the picture</h2>
<p>The score says how strongly the first answer token reacts to a little noise in the cached keys and values of the
picture, and of the text: the small-noise limit of AMPS's Algorithm&nbsp;1 with KL as its divergence, computed exactly.
The visual ratio is the picture's share. It measures sensitivity, <em>not</em> which modality the answer comes from:
on the bundled models it hardly tells that, while <code>trimtab measure --method shapley</code> does (numbers in
docs/contribution_validity.md). Bars are means with 95&nbsp;% bootstrap intervals, for the plain prompt and under an
instruction to follow either modality.</p>
{%- for figure in figures %}
<figure><img alt="Share of a modality by task and instruction" src="{{ figure }}"></figure>
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
    measured = max((r["n"] for r in rows if r["task"] == ALL_TASKS), default=0)
    shares = ["ratio"] if "ratio" in rows[0] else [f"share_{modality}" for modality in run.summary["modalities"]]
    files = {name: "contribution" if name == "ratio" else f"contribution-{name}" for name in shares}
    figures = [run.figure(files[name], contribution_figure(run.summary, name)) for name in shares]
    return {"figures": figures, "measured": measured}
