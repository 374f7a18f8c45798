"""The one section of the report of a measurement."""

from __future__ import annotations

from typing import Any

from trimtab.contribution import Contributions
from trimtab.items import Skipped
from trimtab.modalities import PAIR, Modality
from trimtab.report.measured import mean_interval, measured_in_brief, neither_line, ratio_figure, read_contributions
from trimtab.report.registering import Run, section
from trimtab.report.style import task_name
from trimtab.report.words import listed
from trimtab.studies import by_modalities, share_columns

TEMPLATE = """\
<h1>How much does the answer depend on {{ asked }}?</h1>
<p class="quiet">{{ summary.model }} on {{ summary.data }}, method {{ summary.method }}
{%- if summary.instruction %}, instructed: &ldquo;{{ summary.instruction }}&rdquo;{% endif %}</p>
{%- if briefs %}
<section class="verdict">
{%- for sentence in briefs %}
<p><strong>{{ sentence }}</strong></p>
{%- endfor %}
</section>
{%- endif %}
{%- if summary.method == "mcs" %}
<p>The score says how strongly the first answer token reacts to a little noise in the cached keys and values of each
modality (AMPS). {% if pair %}The visual ratio is the picture's share of picture and text. {% endif %}It measures sensitivity, <em>not</em> which
modality the answer comes from: on the pocket models it hardly tells that (docs/contribution_validity.md), while the
default method does. It compares items of one model, not models with each other.</p>
{%- elif pair %}
<p>The visual ratio is the image's share of the contributions of image and text: 1 if the answer depends on the image
alone, 0 if on the text alone. It compares items of one model, not models with each other.</p>
{%- endif %}
{%- if synergy %}
<p>The synergy is what all modalities give together beyond what each gives alone: above 0 the answer needs them together,
below 0 each alone is enough, about 0 one of them decides.</p>
{%- endif %}
{%- for part in parts %}
{%- if parts|length > 1 %}<h2>Items of {{ part.of }}</h2>{% endif %}
{%- for figure in part.figures %}
<figure><img src="{{ figure }}" alt="Share of a modality in each item, by task"></figure>
{%- endfor %}
<table>
<tr><th class="left">task</th><th>items</th>{% for heading in part.columns.values() %}<th>{{ heading }}</th><th>95 % interval</th>{% endfor %}</tr>
{%- for row in part.rows %}
<tr><td class="left">{{ row.task }}</td><td>{{ row.n }}</td>
{%- for name in part.columns %}<td>{{ "%.3f"|format(row[name]) }}</td>
<td>{{ interval(row, name) }}</td>{% endfor %}</tr>
{%- endfor %}
</table>
{%- endfor %}
{%- if neither %}
<p>{{ neither }}</p>
{%- endif %}
{%- if skipped %}
<p>{{ skipped|length }} items could not be measured. The first: {{ skipped[0].reason }}.</p>
{%- endif %}
<p class="quiet">Options: {% for key, value in summary.options.items() %}{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}</p>
"""


@section("measurement", "ratios", TEMPLATE)
def ratios(run: Run) -> dict[str, Any]:
    """Draw the items' shares and lay out their means, for each set of modalities that items were measured for."""
    summary, found = run.summary, read_contributions(run.path)
    sets = list(dict.fromkeys(c.modalities for c in found))
    pair, by_sets = sets == [PAIR], by_modalities(summary["ratios"])
    return {
        "title": f"visual ratio of {summary['model']}" if pair else f"contributions in {summary['model']}",
        "pair": pair,
        "interval": mean_interval,
        "neither": neither_line(summary.get("answers", {})),
        "asked": "the image" if pair else "each modality",
        "parts": [
            _part(run, Contributions(c for c in found if c.modalities == own), own, alone=len(sets) == 1)
            for own in sets
        ],
        "briefs": [brief for own in sets if (brief := measured_in_brief(by_sets.get(own, []), own))],
        "synergy": any(c.synergy is not None for c in found),
        "skipped": [Skipped(row, reason) for row, reason in summary["skipped_items"]],
    }


def _part(run: Run, found: Contributions, modalities: tuple[Modality, ...], *, alone: bool) -> dict[str, Any]:
    """Lay out the items that were measured for one set of modalities."""
    among = "" if alone else f"-of-{'-'.join(modalities)}"
    if modalities == PAIR:
        figures, headings = [run.figure(f"ratio{among}", ratio_figure(found))], ["mean ratio"]
    else:
        figures = [run.figure(f"share-{name}{among}", ratio_figure(found, name)) for name in modalities]
        headings = [f"share of the {name}" for name in modalities]
    columns = dict(zip(share_columns(modalities), headings, strict=True))
    rows = by_modalities(run.summary["ratios"]).get(modalities, [])
    if all(c.synergy is not None for c in found):
        columns["synergy"] = "synergy"
    return {
        "of": listed(list(modalities)),
        "figures": figures,
        "columns": columns,
        "rows": [{**row, "task": task_name(row["task"])} for row in rows],
    }
