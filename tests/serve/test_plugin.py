"""What the plug-in refuses when a worker starts."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from trimtab.errors import UnsupportedMethodError
from trimtab.serving.settings import Settings

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")


@pytest.mark.parametrize(
    ("host", "addresses", "says"),
    [
        ("pictures.example", ["93.184.215.14"], None),
        ("pictures.example", ["93.184.215.14", "10.0.0.5"], "is at 10.0.0.5"),
        ("pictures.example", ["fe80::1%eth0"], "is at fe80::1"),
        ("pictures.example", ["169.254.169.254"], "is at 169.254.169.254"),
        ("pictures.example", ["127.0.0.1"], "is at 127.0.0.1"),
        ("pictures.example", [], "has none"),
        ("elsewhere.example", ["93.184.215.14"], "not allowed"),
    ],
)
def test_pictures_come_from_public_addresses_alone(
    host: str, addresses: list[str], says: str | None, monkeypatch: pytest.MonkeyPatch
):
    from trimtab.serving.plugin import guards

    def look_up(_host: str, _port: object) -> list[tuple]:
        if not addresses:
            raise OSError("not known")
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    def allowed(_self: object, url: SimpleNamespace) -> None:
        if url.hostname != "pictures.example":
            raise ValueError("not allowed")

    monkeypatch.setattr(guards.socket, "getaddrinfo", look_up)
    refused = contextlib.nullcontext() if says is None else pytest.raises(ValueError, match=says)
    with refused:
        guards._public(allowed, None, SimpleNamespace(hostname=host))


@pytest.mark.parametrize("given", ["speculative_config", "async_scheduling"])
def test_steps_whose_tokens_are_not_final_are_refused(given: str):
    from trimtab.serving.plugin.worker import Steering

    speculative = object() if given == "speculative_config" else None
    runner = SimpleNamespace(speculative_config=speculative, use_async_scheduling=given == "async_scheduling")
    with pytest.raises(UnsupportedMethodError, match=f"`{given}` of a server that steers must be off"):
        Steering(runner, Settings(Path("nowhere.json")))
