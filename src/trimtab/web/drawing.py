"""Bars and tables of the page, as HTML; every word of a visitor or a model is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from trimtab.contribution import AnswerTrace
from trimtab.modalities import FACTS, Modality
from trimtab.web.inside import Inside

SAID: dict[Modality, str] = {"image": "picture", "text": "text"}
"""What the page calls each modality."""

CSS = """
.tt table { border-collapse: collapse; width: 100%; margin: .25rem 0 1rem; }
.tt th, .tt td { text-align: left; padding: .2rem .5rem .2rem 0; border: 0; font-weight: normal; vertical-align: middle; }
.tt thead th, .tt p { color: var(--body-text-color-subdued); font-size: .85rem; }
.tt td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 4rem; }
.tt td.bar { width: 55%; }
.tt .bar > div { display: flex; height: .9rem; min-width: 5rem; background: var(--border-color-primary); }
.tt i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .8rem; vertical-align: -.1rem; }
.tt .whole > div { height: 1.6rem; }
.tt .warning { color: #b3261e; font-weight: 600; font-size: 1rem; }
.dark .tt .warning { color: #ffb4ab; }
"""


def shares(found: Mapping[Modality, float]) -> str:
    """Draw what each modality is of what all add to the answer; say so where there is one alone."""
    if not found:
        return _framed("<p>With a picture and a text, this shows what each adds to the answer.</p>")
    said = ", ".join(f"the {SAID[m]} {_percent(share)}" for m, share in found.items())
    return _framed(f'<p>Of what moves the answer: {said}.</p><div class="bar whole">{_bar(found)}</div>' + _key(found))


def words(trace: AnswerTrace | None) -> str:
    """Draw the shares at each token of an answer."""
    if trace is None:
        return _framed("<p>With a picture and a text, this shows what each adds to every word.</p>")
    rows = "".join(
        f"<tr><th>{escape(token)}</th><td class=bar>{_bar(step.shares)}</td>"
        f"<td class=number>{_percent(step.shares['image'])}</td></tr>"
        for token, step in zip(trace.tokens, trace.steps, strict=True)
    )
    head = "<thead><tr><th>piece of the answer</th><th>what adds to it</th><th>picture</th></tr></thead>"
    return _framed(f"<table>{head}<tbody>{rows}</tbody></table>" + _key(trace.steps[0].shares))


def inside(found: Inside) -> str:
    """Draw attention, links and heads."""
    return _framed(
        f"<p>The first piece of the answer has a probability of {_percent(found.probability)}.</p>"
        + _links(found)
        + _heads(found)
        + _attention(found)
    )


def receipt(text: str, broken: str) -> str:
    """Say what steering touched, and warn where the answer is broken."""
    warning = f"<p class=warning role=alert>Collapsed: {escape(broken)}. Lower the strength.</p>" if broken else ""
    return _framed(f"{warning}<p>Receipt: {escape(text)}</p>")


def _links(found: Inside) -> str:
    rows = "".join(
        f"<tr><th>{link.name.replace(' to ', ' &rarr; ')}</th><td>{escape(link.answer)}</td>"
        f"<td class=number>{_percent(link.probability)}</td></tr>"
        for link in found.links
    )
    return (
        "<p>Attention between parts, cut in all layers: what would it answer, and how likely would its first piece "
        "still be?</p><table><thead><tr><th>without</th><th>answer</th><th>probability</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _heads(found: Inside) -> str:
    rows = "".join(
        f"<tr><th>layer {one.layer}, head {one.head}</th><td class=bar>{_bar(one.attention)}</td>"
        f"<td class=number>{_percent(one.probability)}</td></tr>"
        for one in found.heads
    )
    return (
        "<p>The few heads that matter: what they look at, and how likely the first piece would be if they wrote "
        "nothing.</p><table><thead><tr><th>head</th><th>looks at</th><th>probability</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>" + _key(found.attention)
    )


def _attention(found: Inside) -> str:
    rows = "".join(
        f"<tr><th>layer {layer}</th><td class=bar>{_bar({m: own[layer] for m, own in found.attention.items()})}</td></tr>"
        for layer in range(len(found.attention["image"]))
    )
    return (
        "<p>Where the last word of the prompt looks, layer by layer, the mean of all heads; grey is the rest of the "
        f"prompt.</p><table><tbody>{rows}</tbody></table>"
    )


def _bar(parts: Mapping[Modality, float]) -> str:
    filled = "".join(
        f'<span style="background:{FACTS[m].colour};width:{100 * part:.1f}%" title="{SAID[m]} {_percent(part)}"></span>'
        for m, part in parts.items()
        if math.isfinite(part)
    )
    return f"<div>{filled}</div>"


def _key(parts: Mapping[Modality, object]) -> str:
    return "<p>" + "".join(f'<i style="background:{FACTS[m].colour}"></i>{SAID[m]}' for m in parts) + "</p>"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if math.isfinite(share) else "none"


def _framed(inner: str) -> str:
    return f"<div class=tt>{inner}</div>"
