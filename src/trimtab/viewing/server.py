"""The server: Python's own, on this machine."""

from __future__ import annotations

import ipaddress
import socketserver
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from trimtab.errors import UsageError
from trimtab.viewing.site import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from trimtab.viewing.site import Site

LOOPBACK = "127.0.0.1"
"""The address that only this machine reaches."""
PATIENCE = 30
"""Seconds that a connection may be silent."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer: it is what it says it is, for pages of this server alone, and is not kept."""


class Server(ThreadingHTTPServer):
    """Serves a site until it is stopped.

    Attributes:
        address: Where a browser finds it.
    """

    daemon_threads = True

    def __init__(
        self, site: Site, host: str = LOOPBACK, port: int = 0, tell: Callable[[str], object] = sys.stderr.write
    ) -> None:
        """Take a port.

        Args:
            site: What it serves.
            host: The address of this machine to listen on.
            port: The port; 0 for any that is free.
            tell: Called with the traceback of a fault of ours.

        Raises:
            UsageError: The port or the address cannot be had.
        """
        self.site, self.tell = site, tell
        address = _address(host)
        try:
            super().__init__((str(address), port), _Handler)
        except OSError as error:
            raise UsageError(
                f"`--host` and `--port` must be an address of this machine and a port that is free; {host}:{port} is "
                f"not to be had ({error.strerror or error}); give another, or --port 0 for any."
            ) from error
        shown = LOOPBACK if address.is_unspecified else host
        self.address = f"http://{shown}:{self.server_port}/"
        own = {"localhost", LOOPBACK, host}
        self._known = {f"{name}:{self.server_port}" for name in own} | (own if self.server_port == 80 else set())
        self._checked = address.is_loopback

    def server_bind(self) -> None:
        """Take the port without asking for this machine's name, which may go out to a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def knows(self, name: str) -> bool:
        """Whether a request was sent to a name of this server.

        A page of another site can have its own name lead to this machine, and would then read what it likes here: its
        requests carry that name. A server that others may reach has names that it does not know, and refuses none.
        """
        return not self._checked or name in self._known


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "trimtab", ""
    timeout = PATIENCE
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Answer a request."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Answer a request, without the content."""
        self._send(self._answer(), content=False)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what a person looks at is theirs."""

    def _answer(self) -> Answer:
        site = self.server.site
        if not self.server.knows(self.headers.get("Host", "")):
            return site.wrong(403, "This is not the address of this server", f"Open {self.server.address} instead.")
        try:
            return site.answer(self.path)
        except Exception:  # one page that fails must not end the others
            self.server.tell(traceback.format_exc())
            return site.wrong(500, "trimtab failed where it should not", "The traceback is where trimtab view runs.")

    def _send(self, answer: Answer, *, content: bool = True) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Content-Security-Policy", answer.policy)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if content:
            try:
                self.wfile.write(answer.body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the browser went elsewhere


def _address(host: str) -> ipaddress.IPv4Address:
    """Return the address of a host; a name that other machines would have to be asked for is none."""
    try:
        return ipaddress.IPv4Address(LOOPBACK if host == "localhost" else host)
    except ValueError:
        raise UsageError(
            f"`--host` must be an IPv4 address of this machine, such as {LOOPBACK}; got {host!r:.100}."
        ) from None
