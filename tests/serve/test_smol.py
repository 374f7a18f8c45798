"""smol-llava on a server: a language model of 30 layers that others trained."""

from collections.abc import Iterator

import pytest

from tests.serve.subject import Name, Subject, made
from trimtab.bundled import SMOL, present

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")
pytestmark = pytest.mark.skipif(
    present(SMOL) is None, reason="smol-llava's weights are not here; `make smol` installs and makes them"
)

NAMES: tuple[Name, ...] = (None, "network", "from-last", ("network", "from-last"))


@pytest.fixture(scope="module")
def smol(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    folder = tmp_path_factory.mktemp("smol")
    with made(SMOL, folder, 8) as found:
        yield found
    for file in folder.rglob("*.safetensors"):  # half a gigabyte
        file.unlink()


def test_it_answers_as_the_local_engine_does(smol: Subject):
    """Plain, steered by an L2S network, by a mean vector and by both, alone and mixed."""
    mixed = [(prompt, NAMES[k % len(NAMES)]) for k, prompt in enumerate(smol.prompts)]
    alone = [[(prompt, name) for prompt in smol.prompts[:2]] for name in NAMES]
    local = {(id(prompt), name): smol.local(prompt, name) for prompt, name in (pair for a in alone for pair in a)}
    first = id(smol.prompts[0])
    assert len({tuple(local[first, name].logprobs) for name in NAMES}) == len(NAMES)
    for batch in (mixed, *alone):
        answers = smol.served([(prompt, smol.asked(prompt, name)) for prompt, name in batch])
        for (prompt, name), answer in zip(batch, answers, strict=True):
            known = local.get((id(prompt), name)) or smol.local(prompt, name)
            assert answer.tokens == known.tokens, name
            assert answer.logprobs == pytest.approx(known.logprobs, abs=1e-4), name
            assert (answer.receipt is None) == (name is None)
