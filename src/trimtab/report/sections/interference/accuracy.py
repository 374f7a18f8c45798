"""Accuracy clean and perturbed."""

from __future__ import annotations

from typing import Any

from trimtab.report.interference import EFFECTS, accuracy_figure, effect_cells
from trimtab.report.registering import Run, section

TEMPLATE = """\
{% from "table.html.j2" import table %}
<section>
<h2>Accuracy clean and perturbed</h2>
<p>Each item needs one modality, or both. The clean condition shows only what is relevant; each other condition adds
something to the modality that does not matter and leaves the rest as it is (Modality Interference, arXiv 2505.19616).
Points are accuracies with 95&nbsp;% Wilson intervals; the dashed line is the clean one. Items whose answer is read from the
same picture, text or question are no independent evidence: in all intervals and tests they count together, and the number of
different ones stands in brackets beside the number of items.</p>
<figure><img alt="Accuracy by condition and family" src="{{ images.accuracy }}"></figure>
<p>Changed is the paper's effect, the share of answers that differ from the clean ones; harmful goes from right to wrong,
helpful from wrong to right; lie is the share that picks the wrong option which the added text names. JS is the mean
Jensen-Shannon divergence of the option distribution from the clean one, at most ln&nbsp;2 = 0.693; it sees what a flip
hides.</p>
{{ table(headings, effects, 4) }}
</section>
"""


@section("interference", "accuracy", TEMPLATE)
def accuracy(run: Run) -> dict[str, Any]:
    """Draw and lay out the effects over all items."""
    effects = run.summary["effects"]
    figure = run.figure("accuracy", accuracy_figure(effects))
    return {"images": {"accuracy": figure}, "headings": EFFECTS, "effects": effect_cells(effects)}
