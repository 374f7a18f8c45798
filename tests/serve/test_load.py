"""A thousand requests of many clients at once: plain, steered and malformed requests, and clients that hang up."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.serve.running import KEY, PATIENCE, Running
from tests.serve.subject import TOGETHER

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")
pytestmark = pytest.mark.timeout(PATIENCE + 300)

CLIENTS, EACH = 32, 32
MOST_GROWTH = 48 << 20
"""Bytes by which a server's processes may grow while they answer the second half of the requests: noise, no leak."""
TEXTS = [
    f"Text context: The {thing} is {colour}. What colour is the {thing}?"
    for thing in ("apple", "ball")
    for colour in ("red", "blue")
]
MALFORMED = (
    {"artifact": "none"},
    {"artifact": "all", "strength": "x"},
    {"artifact": {"a": "b"}},
    {"nonsense": [1, 2]},
)


def hang_up(server: Running, name: str) -> None:
    """Ask for a long steered stream, and leave when it begins."""
    address = urlsplit(server.url)
    body = {"model": "pocket-qwen", "messages": [{"role": "user", "content": TEXTS[0]}], "stream": True}
    body |= {"max_tokens": 400, "ignore_eos": True, "vllm_xargs": {"artifact": name}}
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=300) as line:
        line.sendall(head.encode() + data)
        line.recv(64)


def answer(server: Running, place: int) -> tuple[Any, ...]:
    """Return what is answered to one of the mixed requests; it depends on its place alone."""
    names = (None, *server.artifacts, list(TOGETHER[2]))
    name, text = names[place % len(names)], TEXTS[place % len(TEXTS)]
    asked = None if name is None else {"artifact": name, "question": text[text.index("What") :]}
    code, told = server.chat(asked, text, return_token_ids=True)
    receipt = told["kv_transfer_params"]
    steered = None if receipt is None else [part["artifact"] for part in receipt["trimtab"]["artifacts"]]
    return code, told["choices"][0]["token_ids"], steered


def resident(server: Running) -> int:
    """Return the bytes that the server's processes hold."""
    first = psutil.Process(server.process.pid)
    return sum(process.memory_info().rss for process in (first, *first.children(recursive=True)))


def test_thirty_two_clients_get_what_each_would_get_alone(server: Running):
    kinds = len(server.artifacts) + 2
    alone = {place: answer(server, place) for place in range(kinds * len(TEXTS))}

    def client(number: int, steps: range) -> list[str]:
        wrong = []
        for step in steps:
            place = (number * EACH + step) % len(alone)
            if (number + step) % 4 == 3:
                hang_up(server, list(server.artifacts)[place % len(server.artifacts)])
            elif (number + step) % 4 == 2:
                code, _ = server.chat(MALFORMED[place % len(MALFORMED)], TEXTS[0])
                wrong += [] if code == 400 else [f"{place}: malformed was answered {code}"]
            elif (found := answer(server, place)) != alone[place]:
                wrong.append(f"{place}: {found} where it was {alone[place]}")
        return wrong

    halves, sizes = (range(EACH // 2), range(EACH // 2, EACH)), []
    with ThreadPoolExecutor(CLIENTS) as clients:
        for half in halves:
            assert [one for found in clients.map(client, range(CLIENTS), [half] * CLIENTS) for one in found] == []
            sizes.append(resident(server))
    assert sizes[1] - sizes[0] < MOST_GROWTH
    assert server.call("/health")[0] == 200
    assert {place: answer(server, place) for place in alone} == alone
