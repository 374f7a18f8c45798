"""What a server answers is what the local engine answers."""

from collections.abc import Sequence

import pytest

from tests.serve.subject import TOGETHER, Name, Subject
from trimtab.engine import encode

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")

NAMES: tuple[Name, ...] = (None, "all", "from-last", "last", "generated", "network", "network-generated", "learned")
NAMES += ("given", "heads", "heads-off", "heads-mean", "worded", "worded-mean", *TOGETHER)


def test_mixed_requests_answer_as_the_local_engine_does(subject: Subject):
    """Batches of six, and 64 tokens a step: parts of prompts and generated tokens share every step."""
    asked = [(subject.prompts[k % len(subject.prompts)], NAMES[k % len(NAMES)]) for k in range(200)]
    answers = subject.served([(prompt, subject.asked(prompt, name)) for prompt, name in asked])
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
        steered = subject.served([(prompt, subject.asked(prompt, name)) for prompt in prompts])
        pairs = [(a, b) for a, b in zip(steered, plain, strict=True)]
        same = [a.tokens == b.tokens and a.logprobs == pytest.approx(b.logprobs, abs=1e-3) for a, b in pairs]
        assert not all(same), name


def test_each_of_several_artifacts_changes_answers(subject: Subject):
    """Together they are not as any of them left out, and a list of strengths is read in its order."""
    prompts = subject.prompts[:4]

    def logprobs(name: Name, strengths: Sequence[float] | None = None) -> list[float]:
        answers = subject.served([(prompt, subject.asked(prompt, name, strengths)) for prompt in prompts])
        return [one for answer in answers for one in answer.logprobs]

    for names in TOGETHER:
        own = [subject.artifacts[name].strength for name in names]
        together = logprobs(names)
        for place in range(len(names)):
            fewer = logprobs(names, [*own[:place], 0.0, *own[place + 1 :]])
            assert fewer != pytest.approx(together, abs=1e-3), (names, place)
            assert fewer == pytest.approx(logprobs(names[:place] + names[place + 1 :]), abs=1e-4)


def test_the_receipt_lists_each_artifact(subject: Subject):
    names = ("heads", "network", "all")
    (answer,) = subject.served([(subject.prompts[0], {"artifact": list(names), "strength": [2.0, 0.5, 0.25]})])
    assert answer.receipt is not None
    told = answer.receipt["artifacts"]
    assert [(part["artifact"], part["strength"]) for part in told] == [("heads", 2.0), ("network", 0.5), ("all", 0.25)]
    for part in told:
        assert all(edit["relative_change"] > 0 for edit in part["edits"])
    length = len(encode(subject.model, subject.prompts[0]))
    (edit,) = told[2]["edits"]
    assert (edit["prompt_positions"], edit["generated_positions"]) == (length, len(answer.tokens) - 1)
