"""What a server answers is what the local engine answers."""

import pytest

from tests.serve.subject import Subject

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")

NAMES = (None, "all", "from-last", "last", "generated", "network", "network-generated", "learned")
NAMES += ("given", "heads", "heads-off", "heads-mean")


def test_mixed_requests_answer_as_the_local_engine_does(subject: Subject):
    """Batches of six, and 64 tokens a step: parts of prompts and generated tokens share every step."""
    asked = [(subject.prompts[k % len(subject.prompts)], NAMES[k % len(NAMES)]) for k in range(48)]
    answers = subject.served([(prompt, None if name is None else {"artifact": name}) for prompt, name in asked])
    for (prompt, name), answer in zip(asked, answers, strict=True):
        local = subject.local(prompt, name)
        assert answer.tokens == local.tokens, name
        assert answer.logprobs == pytest.approx(local.logprobs, abs=1e-4), name
        assert (answer.receipt is None) == (name is None)


def test_every_artifact_changes_answers(subject: Subject):
    """Or else equality would say nothing."""
    prompts = subject.prompts[:8]
    plain = subject.served([(prompt, None) for prompt in prompts])
    for name in NAMES[1:]:
        steered = subject.served([(prompt, {"artifact": name}) for prompt in prompts])
        pairs = [(a, b) for a, b in zip(steered, plain, strict=True)]
        same = [a.tokens == b.tokens and a.logprobs == pytest.approx(b.logprobs, abs=1e-3) for a, b in pairs]
        assert not all(same), name
