"""Requests that vLLM puts off for lack of room and begins again: they are steered as if nothing had happened."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve.subject import Name, Subject, made

vllm = pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes its environment")

NAMES: tuple[Name, ...] = ("all", "network", None, ("learned", "last"), "heads", "generated")
ROOM, NEW_TOKENS = 640, 160


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    with made("pocket-qwen", tmp_path_factory.mktemp("preempted"), len(NAMES), cached_tokens=ROOM) as found:
        yield found


def answers(subject: Subject, places: list[int]) -> list[tuple[list[int], Any]]:
    given = [
        vllm.SamplingParams(
            temperature=0,
            max_tokens=NEW_TOKENS,
            ignore_eos=True,
            extra_args=subject.asked(subject.prompts[k], NAMES[k]),
        )
        for k in places
    ]
    found = subject.llm.generate([subject.request(subject.prompts[k]) for k in places], given, use_tqdm=False)
    told = [(one.kv_transfer_params or {}).get("trimtab") for one in found]
    return [(list(one.outputs[0].token_ids), receipt) for one, receipt in zip(found, told, strict=True)]


def preemptions(subject: Subject) -> float:
    return sum(one.value for one in subject.llm.get_metrics() if one.name == "vllm:num_preemptions")


def touched(receipt: Any) -> Any:
    """What a receipt says was touched; how much of it came from the cache may differ."""
    return receipt and [
        [(edit["layer"], edit["prompt_positions"], edit["generated_positions"]) for edit in part["edits"]]
        for part in receipt["artifacts"]
    ]


def test_requests_that_are_put_off_answer_as_they_do_alone(subject: Subject):
    places = list(range(len(NAMES)))
    alone = [answers(subject, [k])[0] for k in places]
    subject.llm.reset_prefix_cache()
    before = preemptions(subject)
    together = answers(subject, places)
    assert preemptions(subject) > before
    assert [tokens for tokens, _ in together] == [tokens for tokens, _ in alone]
    assert [touched(receipt) for _, receipt in together] == [touched(receipt) for _, receipt in alone]
    assert [receipt is None for _, receipt in together] == [name is None for name in NAMES]
