"""Clients that ask a server, each one request after the other."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    """A request for a stream of so many tokens.

    Attributes:
        model: What the server calls its model.
        messages: What to ask.
        artifact: What to steer by; None for a plain request.
        tokens: Tokens of the answer.
        salt: What sets its blocks in the cache apart from those of other salts.
    """

    model: str
    messages: Any
    artifact: Any
    tokens: int
    salt: str

    def body(self) -> bytes:
        """Return the request as JSON."""
        told = {
            "model": self.model,
            "messages": self.messages,
            "temperature": 0,
            "max_tokens": self.tokens,
            "ignore_eos": True,
            "stream": True,
            "cache_salt": self.salt,
        }
        return json.dumps(
            told | ({} if self.artifact is None else {"vllm_xargs": {"artifact": self.artifact}})
        ).encode()


@dataclass(frozen=True)
class Load:
    """What some clients met.

    Attributes:
        answers: How many there were.
        seconds: What all of them took together.
        first_token: Seconds to the first token, the median of the answers.
    """

    answers: int
    seconds: float
    first_token: float


def load(url: str, asked: Sequence[Asked], clients: int) -> Load:
    """Ask everything, by so many clients at once."""
    bodies = [one.body() for one in asked]
    address = urlsplit(url).netloc
    with ThreadPoolExecutor(clients) as pool:
        start = time.perf_counter()
        firsts = list(pool.map(lambda body: first_token(address, body), bodies))
        took = time.perf_counter() - start
    return Load(len(bodies), took, statistics.median(firsts))


def first_token(address: str, body: bytes) -> float:
    """Ask, read the stream to its end, and return the seconds to its first chunk.

    Raises:
        RuntimeError: The server refused, or the stream broke off.
    """
    line = http.client.HTTPConnection(address, timeout=300)
    start, first, last = time.perf_counter(), 0.0, b""
    try:
        line.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        reply = line.getresponse()
        if reply.status != 200:
            raise RuntimeError(f"a request was answered {reply.status}: {reply.read()[:300]!r}")
        for text in reply:
            if text.startswith(b"data:"):
                first, last = first or time.perf_counter() - start, text.strip()
    finally:
        line.close()
    if last != b"data: [DONE]":
        raise RuntimeError(f"a stream ended with {last[:300]!r}")
    return first
