"""The server of the playground's page: to this machine alone unless told otherwise, and to no other's page."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from trimtab.errors import UsageError
from trimtab.web.drawing import CSS
from trimtab.web.page import page
from trimtab.web.playground import Playground

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response  # pyright: ignore[reportMissingImports]

UPLOAD = "10mb"
CONNECTIONS = 64
"""Requests at a time; further ones are refused."""

LOOPBACK = "127.0.0.1"
"""The address that only this machine reaches."""

ONLY_HERE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Content Security Policy: the browser fetches nothing from other machines, whatever gradio's page asks for."""

HEADERS = {
    "Content-Security-Policy": ONLY_HERE,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def application(play: Playground, *, everybody: bool = False) -> FastAPI:
    """Return the web application of a playground.

    Args:
        play: The playground.
        everybody: Whether it answers under any name; if not, under those of this machine alone: a page of another site
            can have its own name lead to this machine, and would then ask what it likes here.
    """
    import gradio as gr  # pyright: ignore[reportMissingImports]
    from fastapi import FastAPI, Response  # pyright: ignore[reportMissingImports]
    from starlette.middleware.trustedhost import TrustedHostMiddleware  # pyright: ignore[reportMissingImports]

    silent = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(**silent)

    @app.middleware("http")
    async def only_here(request: Request, proceed: Callable) -> Response:
        if request.headers.get("sec-fetch-site") == "cross-site" and request.method != "GET":
            return Response("Pages of other sites may not ask here.", 403)
        response = await proceed(request)
        response.headers.update(HEADERS)
        return response

    if not everybody:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    own = ["system-ui", "sans-serif"]
    return gr.mount_gradio_app(
        app,
        page(play),
        path="/",
        theme=gr.themes.Default(font=own, font_mono=["monospace"]),
        css=CSS,
        app_kwargs=silent,
        footer_links=[],
        run_history=False,
        max_file_size=UPLOAD,
        show_error=False,
    )


def listen(host: str, port: int) -> socket.socket:
    """Take a port of this machine.

    Args:
        host: An IPv4 address of this machine; a name, for which other machines would have to be asked, is none.
        port: The port; 0 for any that is free.

    Raises:
        UsageError: It cannot be had.
    """
    try:
        address = str(ipaddress.IPv4Address(LOOPBACK if host == "localhost" else host))
        return socket.create_server((address, port))
    except (ValueError, OSError) as error:
        raise UsageError(
            f"`--host` and `--port` must be an IPv4 address of this machine and a port that is free; {host}:{port} is "
            f"not to be had ({error}); give another, or --port 0 for any."
        ) from error


def serve(play: Playground, door: socket.socket) -> None:
    """Show a playground until it is interrupted; what was uploaded is removed then.

    Args:
        play: The playground.
        door: Where to listen; see ``listen``.
    """
    import uvicorn  # pyright: ignore[reportMissingImports]

    everybody = not ipaddress.IPv4Address(door.getsockname()[0]).is_loopback
    with tempfile.TemporaryDirectory(prefix="trimtab-play-") as uploads, suppress(KeyboardInterrupt):
        os.environ["GRADIO_TEMP_DIR"] = uploads
        settings = uvicorn.Config(
            application(play, everybody=everybody), log_level="warning", limit_concurrency=CONNECTIONS
        )
        uvicorn.Server(settings).run(sockets=[door])
