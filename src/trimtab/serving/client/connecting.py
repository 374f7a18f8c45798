"""``connect``: a server as a model."""

from __future__ import annotations

import os

from trimtab.errors import UsageError
from trimtab.serving.client.engine import ServedEngine
from trimtab.serving.client.transport import RefusedError, Transport
from trimtab.serving.facts import ServedModel
from trimtab.serving.launching import API_KEY


def connect(url: str, *, key: str | None = None, timeout: float = 600.0) -> ServedEngine:
    """Use a model that ``trimtab serve`` serves: it goes where a model goes, for what a server can do.

    That is to answer, to steer by the artifacts that the server offers, and to read log-probabilities of the likeliest
    next tokens (``Read(logits=False, top=5)``). Edits are known by their numbers, so an artifact that was loaded here
    steers there, whatever it is called. What needs gradients, caches or hidden states is refused by name.

    Args:
        url: The server's address, such as ``http://127.0.0.1:8000``.
        key: Its key; left out, that of the environment variable ``TRIMTAB_API_KEY``, if there is one.
        timeout: Seconds that an answer may take.

    Raises:
        ServerError: There is no server, or it refuses the key.
        UsageError: It is no server that ``trimtab serve`` started.
    """
    transport = Transport.to(url, key or os.environ.get(API_KEY) or None, timeout)
    try:
        told = transport.get("/v1/steering/model")
        return ServedEngine(transport, ServedModel.read(told), told)
    except (RefusedError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"`url` of connect must be that of a server which `trimtab serve` started; {transport.url} is another "
            f"({error!s:.100}); start one."
        ) from error
