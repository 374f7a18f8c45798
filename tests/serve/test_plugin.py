"""What the plug-in refuses when a worker starts."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from trimtab.errors import UnsupportedMethodError
from trimtab.serving.settings import Settings

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")


@pytest.mark.parametrize("given", ["speculative_config", "async_scheduling"])
def test_steps_whose_tokens_are_not_final_are_refused(given: str):
    from trimtab.serving.plugin.worker import Steering

    speculative = object() if given == "speculative_config" else None
    runner = SimpleNamespace(speculative_config=speculative, use_async_scheduling=given == "async_scheduling")
    with pytest.raises(UnsupportedMethodError, match=f"`{given}` of a server that steers must be off"):
        Steering(runner, Settings(Path("nowhere.json")))
