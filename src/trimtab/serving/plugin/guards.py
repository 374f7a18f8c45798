"""What keeps strangers out: a key on every route, bodies of a limited size, no pictures from private addresses."""

# pyright: reportMissingImports=false

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from vllm.entrypoints.serve.middleware.authenticate import AuthenticationMiddleware
from vllm.multimodal.media.connector import MediaConnector

from trimtab.serving.plugin.wrapping import wrap

OPEN = ("/health", "/ping", "/version", "/metrics")
"""Routes that need no key on a server that has one."""


def install() -> None:
    """Guard vLLM's own routes and its fetching of pictures."""
    wrap(AuthenticationMiddleware, "__call__", _keyed)
    wrap(MediaConnector, "_assert_url_in_allowed_media_domains", _public)


def _keyed(original: Callable[..., Any], self: Any, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    """Ask for the key on every route but those of ``OPEN``: vLLM asks only under some prefixes, such as ``/v1``."""
    asked = scope["type"] in ("http", "websocket") and scope.get("method") != "OPTIONS"
    path = scope.get("path", "").removeprefix(scope.get("root_path", "")).rstrip("/")
    if asked and path not in OPEN and not self.verify_token(Headers(scope=scope)):
        return JSONResponse({"error": "Unauthorized"}, 401)(scope, receive, send)
    return original(self, scope, receive, send)


def _public(original: Callable[..., None], self: Any, url: Any) -> None:
    """Refuse a host that is allowed but lies in a private network, as a name can be made to."""
    original(self, url)
    try:
        found = socket.getaddrinfo(url.hostname, None)
    except OSError as error:
        raise ValueError(f"The host of the URL must have an address; {url.hostname} has none.") from error
    private = [address for *_, (address, *_) in found if not ip_address(str(address).partition("%")[0]).is_global]
    if private:
        raise ValueError(f"The URL must lead to a public address; {url.hostname} is at {private[0]}.")


class BodyLimit:
    """Refuses requests with a longer body than is allowed, before any of it is read."""

    def __init__(self, app: Any, most: int) -> None:
        """Stand before an application.

        Args:
            app: The application.
            most: The longest body, in bytes.
        """
        self.app, self.most = app, most

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Answer 413 to a longer body, and 411 to one that does not tell its length."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if "transfer-encoding" in headers:
                return _refusal(411, "`Content-Length` must come with a request that has a body.")(scope, receive, send)
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > self.most:
                reason = f"`Content-Length` must be at most {self.most}; got {length:.20}; send smaller pictures."
                return _refusal(413, reason)(scope, receive, send)
        return self.app(scope, receive, send)


def limit_bodies(app: FastAPI, most: int) -> None:
    """Have an application refuse longer bodies."""
    app.add_middleware(BodyLimit, most=most)


def _refusal(code: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "BadRequestError", "param": None, "code": code}}, code)
