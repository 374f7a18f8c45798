"""What the tokens hold, and which part of a layer adds it."""

from __future__ import annotations

from typing import Any

from trimtab.report.circuits_figures import layers_figure, lens_figure
from trimtab.report.power import curve_power
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>What the tokens hold, and which part of a layer adds it</h2>
<figure><img alt="Logit lens at the instruction tokens and the last token" src="{{ images.lens }}"></figure>
<figure><img alt="Attention and MLP contributions by layer" src="{{ images.layers }}"></figure>
<p class="quiet">Bands are simultaneous: with 95&nbsp;% confidence, they hold at all layers of a curve at once. Both cases of an
item count together. Lens: {{ power.lens }} Layers: {{ power.layers }}</p>
</section>
"""


@section("circuits", "lens", TEMPLATE)
def lens(run: Run) -> dict[str, Any]:
    """Draw the lens and what attention and MLPs add."""
    drawn = {"lens": lens_figure, "layers": layers_figure}
    normed = [row for row in run.summary["lens"] if row["norm"] == "final"]  # raw states have no unit to speak of
    power = {
        "lens": curve_power(normed, ["margin"], "logits"),
        "layers": curve_power(run.summary["layers"], ["attention", "mlp"], "logits"),
    }
    return {"images": {name: run.figure(name, draw(run.summary)) for name, draw in drawn.items()}, "power": power}
