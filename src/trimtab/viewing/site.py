"""From the address of a request to its answer."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from trimtab.errors import TrimtabError, UsageError
from trimtab.report.page import script
from trimtab.viewing.choosing import Asked
from trimtab.viewing.drawing import drawn, style
from trimtab.viewing.pages import Pages

MOST_FIELDS = 60
"""Fields of an address."""
HTML, CSS, PNG = "text/html; charset=utf-8", "text/css; charset=utf-8", "image/png"
OWN = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What a browser may do on a page of ours: get its style and pictures here, and send forms here. No script runs."""


class Answer(NamedTuple):
    """What a request gets.

    Attributes:
        status: The status of HTTP.
        kind: The type of the content.
        body: The content.
        policy: The content security policy.
    """

    status: int
    kind: str
    body: bytes
    policy: str = OWN


class Site:
    """Answers the addresses of the browser of runs."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self._html = {
            "/": pages.home,
            "/run": pages.run,
            "/items": pages.items,
            "/item": pages.item,
            "/compare": pages.compare,
            "/flips": pages.flips,
        }

    def answer(self, target: str) -> Answer:
        """Return the answer to a GET of an address.

        Args:
            target: Path and fields, as a request has them. A path is one of a few words; it never is that of a file.
        """
        try:
            parts = urlsplit(target)
            given = parse_qsl(parts.query, max_num_fields=MOST_FIELDS, errors="surrogateescape")
        except ValueError:
            return self.wrong(400, "This address cannot be read", "Go back to the list of runs.")
        asked = Asked(given)
        try:
            return self._answer(parts.path, asked)
        except UsageError as error:
            return self.wrong(404, "There is no such page", str(error))
        except TrimtabError as error:
            return self.wrong(422, "This cannot be shown", str(error))

    def wrong(self, status: int, title: str, sentence: str) -> Answer:
        """Return a page that says what is wrong."""
        return Answer(status, HTML, _bytes(drawn("wrong.html.j2", title=title, sentence=sentence)))

    def _answer(self, path: str, asked: Asked) -> Answer:
        if path in self._html:
            return Answer(200, HTML, _bytes(self._html[path](asked)))
        if path == "/style.css":
            return Answer(200, CSS, _bytes(style()))
        if path == "/picture":
            picture = self.pages.picture(asked)
            return Answer(404, PNG, b"") if picture is None else Answer(200, PNG, picture)
        if path == "/report":
            return Answer(200, HTML, self.pages.report(asked), report_policy())
        raise UsageError(f"the address must be one that a page links to; got {path!r:.100}.")


@cache
def report_policy() -> str:
    """Return what a browser may do on a report, which came with a run folder that may be anybody's.

    It shows what is in the page itself, and runs the script of our own reports alone, which is known by its digest.
    """
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; base-uri 'none'; "
        "frame-ancestors 'none'; sandbox allow-scripts"
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
