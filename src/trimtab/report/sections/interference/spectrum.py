"""Which modality a benchmark needs."""

from __future__ import annotations

from typing import Any

from trimtab.report.interference import EFFECTS, accuracy_figure, effect_cells
from trimtab.report.registering import Run, section

TEMPLATE = """\
{% from "table.html.j2" import table %}
{% if spectrum %}
<section>
<h2>Which of image, text and their interaction does this benchmark need?</h2>
<p>The data spectrum test (arXiv 2509.23499): every item gets another item's picture, another's question and context, or
both; options stay. With both exchanged, only the options help; what a single exchange leaves above that is the other
modality's share; what the clean condition has above every exchange is the interaction.</p>
<figure><img alt="Accuracy under exchange of pictures and questions" src="{{ images.spectrum }}"></figure>
{{ table(headings, spectrum, 4) }}
</section>
{% endif %}
{% if summary.spectrum_note %}<p class="quiet">Data spectrum left out: {{ summary.spectrum_note }}</p>{% endif %}
"""


@section("interference", "spectrum", TEMPLATE)
def spectrum(run: Run) -> dict[str, Any]:
    """Draw and lay out the data spectrum, where there is one."""
    rows = run.summary["spectrum"]
    images = {"spectrum": run.figure("spectrum", accuracy_figure(rows))} if rows else {}
    return {"images": images, "headings": EFFECTS, "spectrum": effect_cells(rows)}
