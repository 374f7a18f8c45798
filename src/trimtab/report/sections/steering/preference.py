"""What a vector does to items by their unsteered answer."""

from __future__ import annotations

from typing import Any

from trimtab.report.curves import preference_figure
from trimtab.report.methods import method_phrase, swept_methods
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>{{ method }}, by what the model answers by itself</h2>
<p>Items are split by their unsteered answer (Figure&nbsp;1 of AMPS); dotted lines are collapse.</p>
<figure><img alt="Following and collapse by unsteered answer" src="{{ figure }}"></figure>
</section>
"""


@section("steering", "preference", TEMPLATE)
def preference(run: Run) -> dict[str, Any] | None:
    """Draw the first method that was swept."""
    swept = swept_methods(run.summary)
    figure = preference_figure(run.summary, swept[0]) if swept else None
    if figure is None:
        return None
    phrase = method_phrase(swept[0])
    return {"figure": run.figure("preference", figure), "method": phrase[:1].upper() + phrase[1:]}
