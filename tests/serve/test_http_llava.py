"""pocket-llava over HTTP, its graph compiled where this machine has a compiler."""

import shutil
from collections.abc import Iterator

import pytest

import trimtab as tt
from tests.serve.running import KEY, PATIENCE, Running, started
from tests.serve.subject import TOGETHER
from trimtab.engine import Row, generate
from trimtab.items import read_items
from trimtab.items.prompts import prompt_for

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")
pytestmark = pytest.mark.timeout(PATIENCE + 300)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("llava"), "pocket-llava", compiled=shutil.which("g++") is not None) as running:
        yield running


def test_answers_are_those_of_the_local_engine(llava: Running):
    """Each artifact and none, over prompts with pictures, many at once."""
    own = llava.artifacts
    ways = [(), *(artifact.edits() for artifact in own.values())]
    ways += [tuple(edit for name in names for edit in own[name].edits()) for names in TOGETHER]
    prompts = [prompt_for(item) for item in list(read_items("pocket-mc2:test"))[:24]]
    rows = [Row(prompt, ways[k % len(ways)]) for k, prompt in enumerate(prompts * 2)]
    mine, theirs = (generate(model, rows, max_new_tokens=12) for model in (tt.connect(llava.url, key=KEY), llava.model))
    assert mine.tokens == theirs.tokens
    counted, wanted = ({(e.edit, e.layer, e.rows) for e in own.receipt.entries.values()} for own in (mine, theirs))
    assert counted == wanted


def test_a_step_of_plain_requests_is_not_steered(llava: Running):
    """In a compiled graph the tensors are read in every step."""
    assert llava.chat({"artifact": "all", "strength": 20})[0] == 200
    plain = llava.chat(return_token_ids=True)
    assert plain[1]["kv_transfer_params"] is None
    assert llava.chat({"artifact": "all", "strength": 20})[0] == 200
    assert llava.chat(return_token_ids=True)[1]["choices"][0]["token_ids"] == plain[1]["choices"][0]["token_ids"]
