"""Patched states, the layer of the decision, and the heads that override."""

from __future__ import annotations

from typing import Any

from trimtab.report.patching_figure import patching_figure
from trimtab.report.power import curve_power
from trimtab.report.registering import Run, section

TEMPLATE = """\
<section>
<h2>Patching</h2>
<figure><img alt="Share of the way to the donor's margin by patched part and layer" src="{{ images.patching }}"></figure>
<p class="quiet">States at a layer's output are replaced by those of a donor of the same layout: the same item under another
instruction, or the same prompt about another medium. {% for row in patching.pairs %}{% if row.refused %}{{ row.donor }}: {{ row.refused }}
{% else %}{{ row.donor }}: {{ row.pairs }} pairs, of which {{ row.agreed }} begin with the same token in both runs and are left out{% if row.pairs and row.follow_both is false %}; no item
follows every instruction, so these are cases that are answered from that medium, whatever they were told{% endif %}. {% endif %}{% endfor %}
Patching <em>all</em> tokens (dashed) gives the donor's answer at every layer by construction; it shows that the patch is right,
and nothing about the model. Bands hold at all layers of a curve at once. {{ power }}</p>
<table>
<thead><tr><th class="left">donor</th><th class="left">part</th><th>pairs</th>{% for layer in layers %}<th>{{ layer }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for line in flips %}
<tr><td class="left">{{ line.donor }}</td><td class="left">{{ line.part }}</td><td>{{ line.n }}</td>{% for share in line.shares %}<td>{{ "%.0f"|format(100 * share) }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
<p class="quiet">Percent of the pairs whose first token becomes the donor's, by the layer whose output is patched.</p>
<h3>From which layer on the lens keeps to the final answer</h3>
<table>
<thead><tr><th class="left">named</th><th>cases</th><th>lower quartile</th><th>median layer</th><th>upper quartile</th><th>second half of the depth</th></tr></thead>
<tbody>
{%- for row in patching.crossovers %}
<tr><td class="left">{{ row.target }}</td><td>{{ row.n }}</td><td>{{ row.low }}</td><td>{{ row.median }}</td><td>{{ row.high }}</td><td>{{ "%.0f"|format(100 * row.deep) }} %</td></tr>
{%- endfor %}
</tbody>
</table>
{%- if patching.foretelling %}
<table>
<thead><tr><th class="left">cases</th><th class="left">what is known</th><th>n</th><th>rank correlation with the answer</th></tr></thead>
<tbody>
{%- for row in patching.foretelling %}
<tr><td class="left">{{ row.target }}</td><td class="left">{{ known[row.predictor] }}</td><td>{{ row.n }}</td>
<td>{% if row.rho is none %}constant{% else %}{{ "%.2f"|format(row.rho) }} ({{ "%.2f"|format(row.rho_low) }} to {{ "%.2f"|format(row.rho_high) }}){% endif %}</td></tr>
{%- endfor %}
</tbody>
</table>
<p class="quiet">The lens margin of the last layer is the margin that the model answers by, so it cannot fail to foretell the answer.
Intervals are bootstraps over items.</p>
{%- endif %}
<h3>Heads that override, and whether they write or route</h3>
<table>
<thead><tr><th>layer</th><th>head</th><th class="left">side</th><th>standard deviations</th><th>moves</th><th>directly</th><th class="left">works by</th></tr></thead>
<tbody>
{%- for row in patching.overrides %}
<tr><td>{{ row.layer }}</td><td>{{ row.head }}</td><td class="left">{{ row.side }}</td><td>{{ "%.1f"|format(row.sigmas) }}</td>
<td>{{ "%.3f"|format(row.moved) }}</td><td>{{ "%.3f"|format(row.direct) }}</td><td class="left">{{ row.works_by }}</td></tr>
{%- endfor %}
</tbody>
</table>
<table>
<thead><tr><th class="left">silenced at the last token</th><th class="left">named</th><th>followed</th><th>flipped</th><th>random sets, mean</th><th>most</th><th>p</th></tr></thead>
<tbody>
{%- for row in patching.ablation %}
<tr><td class="left">{{ row.heads }}</td><td class="left">{{ row.target }}</td><td>{{ row.n }}</td>
<td>{{ "%.0f"|format(100 * row.flips) }} % ({{ "%.0f"|format(100 * row.flips_low) }} to {{ "%.0f"|format(100 * row.flips_high) }})</td>
<td>{{ "%.0f"|format(100 * row.random) }} %</td><td>{{ "%.0f"|format(100 * row.random_most) }} %</td><td>{{ "%.2f"|format(row.p) }}</td></tr>
{%- endfor %}
</tbody>
</table>
<p class="quiet">Test items that no choice has seen. Random sets have as many other heads; p is the share of sets, this one included,
that flip as many.</p>
</section>
"""

KNOWN = {
    "final": "lens margin at the last layer",
    "middle": "lens margin at half the depth",
    "crossover": "layer of the crossover",
    "named": "which modality is named",
    "prior": "margin without an instruction",
}


@section("circuits", "patching", TEMPLATE)
def patching(run: Run) -> dict[str, Any]:
    """Draw the curves, and lay out the flips by layer."""
    found = run.summary["patching"]
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in found["curves"]:
        line = lines.setdefault((row["donor"], row["part"]), {**row, "shares": []})
        line["shares"].append(row["flips"])
    return {
        "images": {"patching": run.figure("patching", patching_figure(run.summary))},
        "patching": found,
        "flips": list(lines.values()),
        "layers": sorted({row["layer"] for row in found["curves"]}),
        "known": KNOWN,
        "power": curve_power([r for r in found["curves"] if r["part"] != "all"], ["moved"], "of the way"),
    }
