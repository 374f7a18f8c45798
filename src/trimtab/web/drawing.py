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
.tt table, .tt tr, .tt th, .tt td { border: 0 !important; }
.tt th, .tt td { text-align: left; padding: .2rem .6rem .2rem 0 !important; font-weight: normal; }
.tt th, .tt .number { white-space: nowrap; }
.tt tbody th { width: 8rem; }
.tt p, .tt thead th { color: var(--body-text-color); margin: .2rem 0 .4rem; }
.tt thead th, .tt .quiet { font-size: .85rem; }
.tt .title { font-weight: 600; }
.tt .number { text-align: right; font-variant-numeric: tabular-nums; width: 5rem; }
.tt .bar > div { display: flex; height: .9rem; min-width: 5rem; background: var(--border-color-primary); }
.tt .whole > div { height: 1.6rem; }
.tt i { display: inline-block; width: .8rem; height: .8rem; margin-right: .3rem; vertical-align: -.1rem; }
.tt i + i, .tt span + i { margin-left: 1rem; }
.tt .warning { color: #b3261e; font-weight: 600; }
.dark .tt .warning { color: #ffb4ab; }
"""


def shares(found: Mapping[Modality, float]) -> str:
    """Draw what each modality is of what all add to the answer; say so where there is one alone."""
    title = _title("What each adds to the answer")
    if not found:
        return _framed(title + "<p>Shown where there are a picture and a text.</p>")
    said = ", ".join(f"the {SAID[m]} {_percent(share)}" for m, share in found.items())
    return _framed(f'{title}<p>{said.capitalize()}.</p><div class="bar whole">{_bar(found)}</div>')


def words(trace: AnswerTrace | None) -> str:
    """Draw the shares at each token of an answer."""
    if trace is None:
        return ""
    rows = "".join(
        f"<tr><th>{escape(token)}</th><td class=bar>{_bar(step.shares)}</td>"
        f"<td class=number>{_percent(step.shares['image'])}</td></tr>"
        for token, step in zip(trace.tokens, trace.steps, strict=True)
    )
    title = _title("Along the answer, piece by piece")
    return _framed(f"{title}<table><tbody>{rows}</tbody></table>" + _key(trace.steps[0].shares))


def inside(found: Inside) -> str:
    """Draw attention, links and heads."""
    return _framed(
        f"<p>The first piece of the plain answer has a probability of {_percent(found.probability)}.</p>"
        + _links(found)
        + _heads(found)
        + _attention(found)
    )


def receipt(text: str, broken: str) -> str:
    """Say what steering touched, and warn where the answer is broken."""
    warning = f"<p class=warning role=alert>Collapsed: {escape(broken)}. Lower the strength.</p>" if broken else ""
    return _framed(f"{warning}<p class=quiet>Receipt: {escape(text)}</p>")


def _links(found: Inside) -> str:
    rows = "".join(
        f"<tr><th>{link.name.replace(' to ', ' &rarr; ')}</th><td>{escape(link.answer)}</td>"
        f"<td class=number>{_percent(link.probability)}</td></tr>"
        for link in found.links
    )
    return (
        _title("Attention between parts")
        + "<p>If no layer let one part read another: what would it answer, and how likely would the first piece "
        f"of the plain answer still be?{_carried(found)}</p>"
        "<table><thead><tr><th>without</th><th>answer</th><th>probability</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _carried(found: Inside) -> str:
    if not found.carried:
        return ""
    return f" {found.carried} layers carry a state instead of attending: through them parts still reach each other."


def _heads(found: Inside) -> str:
    rows = "".join(
        f"<tr><th>layer {one.layer}, head {one.head}</th><td class=bar>{_bar(one.attention)}</td>"
        f"<td class=number>{_percent(one.probability)}</td></tr>"
        for one in found.heads
    )
    return (
        _title("The few heads that matter")
        + "<p>What each looks at from the last token of the prompt, and how likely the first piece would be if it "
        "wrote nothing there.</p><table><thead><tr><th>head</th><th>looks at</th><th>probability</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>" + _key(found.attention)
    )


def _attention(found: Inside) -> str:
    rows = "".join(
        f"<tr><th>layer {layer}</th><td class=bar>{_bar(dict(zip(found.attention, own, strict=True)))}</td></tr>"
        for layer, own in enumerate(zip(*found.attention.values(), strict=True))
        if all(map(math.isfinite, own))
    )
    return (
        _title("Where the last token of the prompt looks")
        + "<p>Layer by layer, the mean of all heads; grey is the rest of the prompt.</p>"
        f"<table><tbody>{rows}</tbody></table>"
    )


def _bar(parts: Mapping[Modality, float]) -> str:
    filled = "".join(
        f'<span style="background:{FACTS[m].colour};width:{100 * part:.1f}%" title="{SAID[m]} {_percent(part)}"></span>'
        for m, part in parts.items()
        if math.isfinite(part)
    )
    return f"<div>{filled}</div>"


def _key(parts: Mapping[Modality, object]) -> str:
    key = "".join(f'<i style="background:{FACTS[m].colour}"></i><span>{SAID[m]}</span>' for m in parts)
    return f"<p class=quiet>{key}</p>"


def _title(words: str) -> str:
    return f"<p class=title>{words}</p>"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if math.isfinite(share) else "none"


def _framed(inner: str) -> str:
    return f"<div class=tt>{inner}</div>"
