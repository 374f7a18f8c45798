"""Which tokens read from which, layer by layer."""

from __future__ import annotations

from typing import Any

from trimtab.report.circuits_figures import flow_figure, knockout_figure
from trimtab.report.power import curve_power
from trimtab.report.registering import Run, section
from trimtab.studies.circuits.summary import modalities_of, together
from trimtab.studies.circuits.verdicts import FEWEST

TEMPLATE = """\
<section>
<h2>The flow at a glance</h2>
<p>An arrow says that the tokens it points at read from the tokens it starts from at that layer: without this attention the
model follows the instruction less (red) or more (blue). It is drawn where that is shown (p &lt; 0.05, corrected for all layers
and edges of its panel).</p>
<figure><img alt="Information flow: spans as columns, layers as rows" src="{{ images.flow }}"></figure>
<figure><img alt="Knockout curves by edge and layer" src="{{ images.knockout }}"></figure>
<p class="quiet">Attention is cut in a window of {{ summary.plan.window }} layers, in items that follow {{ every }}
instructions{% if summary.flow %} (cases: {{ summary.flow|map(attribute="n")|max }} at most for each instruction){% endif %}. The effect is the signed divergence of the two-way distribution over {% if every == "both" %}both answers{% else %}the named modality's answer and all others{% endif %}, a reconstruction of the paper's measure.
Dashed: as many random tokens that hold no cue instead of the source, where a prompt has enough of them. Bands are simultaneous: with 95&nbsp;% confidence, they hold at all layers of a curve at once (sign flips of items, largest t
over layers). There is none where all items have the same effect, or where there are fewer than {{ fewest }}. {{ power }}</p>
</section>
"""


@section("circuits", "flow", TEMPLATE)
def flow(run: Run) -> dict[str, Any]:
    """Draw the flow and the knockout curves."""
    drawn = {"flow": flow_figure, "knockout": knockout_figure}
    images = {name: run.figure(name, draw(run.summary)) for name, draw in drawn.items()}
    return {
        "images": images,
        "every": together(modalities_of(run.summary)),
        "fewest": FEWEST,
        "power": curve_power(run.summary["flow"], ["effect"], "nats"),
    }
