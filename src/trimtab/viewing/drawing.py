"""Pages out of templates; everything that a run folder says is escaped on its way."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from trimtab.report.tables import p_value, percent, points, signed
from trimtab.viewing.showing import colour_of, link, value_shown

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    """Return what finds and fills templates: those here, and those of reports."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    own, reports = PackageLoader("trimtab.viewing"), PackageLoader("trimtab.report")
    made = Environment(loader=ChoiceLoader([own, reports]), autoescape=True, undefined=StrictUndefined)
    made.trim_blocks = made.lstrip_blocks = True
    made.globals |= {"link": link, "percent": percent, "points": points, "p_value": p_value, "signed": signed}
    made.filters |= {"shown": lambda value, column: value_shown(column, value), "colour": colour_of}
    return made


def drawn(template: str, **values: Any) -> str:
    """Return a page."""
    return environment().get_template(template).render(values)


def style() -> str:
    """Return the style of all pages: that of reports, and what pages have beside it."""
    return drawn("pages.css")
