"""Calls of a server, over HTTP and with nothing but Python's own library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from trimtab.errors import ServerError, UsageError

LONGEST_REASON = 500


class RefusedError(Exception):
    """The server refused a request, or failed at it.

    Attributes:
        code: HTTP's status.
        reason: The server's own sentence.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Transport:
    """Where a server is, and how it is called.

    Attributes:
        url: Its address, without ``/v1``.
        key: Sent as a bearer token; None for none.
        timeout: Seconds that an answer may take.
    """

    url: str
    key: str | None
    timeout: float

    @classmethod
    def to(cls, url: object, key: str | None, timeout: float) -> Transport:
        """Return the way to a server, whose address may end in ``/v1``.

        Raises:
            UsageError: It is no address.
        """
        if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise UsageError(
                f"`url` of connect must be a server's address, such as http://127.0.0.1:8000; got {url!r:.100}."
            )
        return cls(url.rstrip("/").removesuffix("/v1"), key, timeout)

    def get(self, path: str) -> Any:
        """Return what a route tells; see ``post``."""
        return self._call(urllib.request.Request(self.url + path, headers=self._headers()))

    def post(self, path: str, asked: Mapping[str, Any]) -> Any:
        """Return what a route answers.

        Raises:
            ServerError: The server is not there, or does not know the key.
            RefusedError: It refuses what is asked, or fails at it.
        """
        headers = {**self._headers(), "Content-Type": "application/json"}
        return self._call(urllib.request.Request(self.url + path, json.dumps(asked).encode(), headers))

    def _headers(self) -> dict[str, str]:
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}

    def _call(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as found:
                return json.load(found)
        except urllib.error.HTTPError as error:
            with error:
                told = error.read().decode("utf-8", "replace")
            if error.code in (401, 403):
                raise ServerError(
                    f"`key` of connect must be the key of the server at {self.url}, which refuses "
                    f"{'none' if self.key is None else 'this one'}; give it, or set TRIMTAB_API_KEY."
                ) from error
            raise RefusedError(error.code, _reason(told)) from error
        except (OSError, ValueError) as error:
            reason = " ".join(str(getattr(error, "reason", error)).split())[:LONGEST_REASON]
            raise ServerError(
                f"`url` of connect must be that of a server which answers; {self.url} does not ({reason}); start one "
                "with `trimtab serve`."
            ) from error


def _reason(told: str) -> str:
    """Return the sentence of an error in OpenAI's form, or what else was told."""
    try:
        found = json.loads(told)["error"]
        sentence = found["message"] if isinstance(found, dict) else found
    except (ValueError, KeyError, TypeError):
        sentence = told
    return " ".join(str(sentence).split())[:LONGEST_REASON]
