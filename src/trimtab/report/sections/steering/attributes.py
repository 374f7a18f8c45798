"""Which layer, and how many training items."""

from __future__ import annotations

from typing import Any

from trimtab.report.curves import attribute_figure
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>Which layer, and how many training items</h2>
<p>Following rates at the strength chosen for each layer or number of training items; dotted lines are collapse.</p>
{%- for name, figure in figures.items() %}
<figure><img alt="Following rate by {{ name }}" src="{{ figure }}"></figure>
{%- endfor %}
</section>
"""


@section("steering", "attributes", TEMPLATE)
def attributes(run: Run) -> dict[str, Any] | None:
    """Draw following over what variants of a method differ in."""
    drawn = {
        "layers": attribute_figure(run.summary, "layer", "layers", "layer"),
        "training-items": attribute_figure(run.summary, "train_items", "train_items", "training items"),
    }
    figures = {name: run.figure(name, figure) for name, figure in drawn.items() if figure is not None}
    return {"figures": figures} if figures else None
