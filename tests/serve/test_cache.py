"""What one request left in the server's cache of prefixes never changes the answer to another."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.serve.subject import Answer, Name, Subject
from trimtab.engine import Encoded, Prompt, encode
from trimtab.serving.settings import process_bank

vllm = pytest.importorskip(
    "vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own"
)

BLOCK = 32
STEERED = ("all", "from-last", "last", "generated", "network", "network-generated", "learned", "heads", "heads-off")
STEERED += (("all", "from-last"), ("network-generated", "network"))
WORDS = ("The apple is red.", "The sky is blue.", "One dog sits by the door.", "A cat is on the mat.")


@pytest.fixture(autouse=True)
def _empty(subject: Subject):
    """Each test begins with nothing cached."""
    subject.llm.reset_prefix_cache()


def written(subject: Subject, seed: str = "", beyond: int = 0) -> Encoded:
    """Return a prompt without pictures of two blocks and more, whose last one ends within its answer.

    Args:
        subject: The model.
        seed: Another text is another prompt.
        beyond: Tokens of its last block, at least.
    """
    context = seed
    for k in range(100):
        context = f"{context} {WORDS[k % len(WORDS)]}".strip()
        found = encode(subject.model, Prompt("What colour is the apple?", context=context))
        if len(found) > 2 * BLOCK and len(found) % BLOCK >= beyond:
            return found
    raise AssertionError("no prompt of such a length")


def one(subject: Subject, prompt: Prompt | Encoded, xargs: Mapping[str, Any] | None = None) -> Answer:
    (found,) = subject.served([(prompt, xargs)])
    return found


def same(found: Answer, wanted: Answer) -> None:
    assert found.tokens == wanted.tokens
    assert found.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)


def test_plain_prompts_share_what_they_have_in_common(subject: Subject):
    """Or else the tests below would say nothing."""
    prompt = written(subject)
    assert [one(subject, prompt).cached for _ in range(2)] == [0, len(prompt) // BLOCK * BLOCK]


@pytest.mark.parametrize("name", STEERED)
def test_steered_and_plain_in_either_order(subject: Subject, name: Name):
    for first, prompt in enumerate((written(subject), written(subject, "Look."))):
        steered, plain = subject.local(prompt, name), subject.local(prompt, None)
        order = [(name, steered), (None, plain), (name, steered)]
        for label, wanted in order[first:]:
            same(one(subject, prompt, subject.asked(prompt, label)), wanted)


def test_a_list_is_told_apart_from_its_parts_and_from_another_order(subject: Subject):
    """``network`` predicts from what ``all``, at the same layer, has or has not changed yet."""
    prompt, both = written(subject), ("all", "network")
    lists = [both, "all", both[::-1], "network", both, None, both[::-1]]
    answers = {name: subject.local(prompt, name) for name in lists}
    assert len({tuple(answer.logprobs) for answer in answers.values()}) == len(answers)
    for name in lists:
        same(one(subject, prompt, subject.asked(prompt, name)), answers[name])


def test_a_list_shares_what_its_parts_have_in_common(subject: Subject):
    prompt = written(subject)
    full = len(prompt) // BLOCK * BLOCK
    assert one(subject, prompt, {"artifact": "all"}).cached == 0
    assert one(subject, prompt, {"artifact": ["from-last", "all"]}).cached == full
    assert one(subject, prompt, {"artifact": ["all", "from-last"], "strength": [0.25, 1.0]}).cached == 0
    assert one(subject, prompt, {"artifact": ["from-last", "last"]}).cached == 0


def test_heads_at_the_question(subject: Subject):
    for prompt in [prompt for prompt in subject.prompts if len(prompt.images)][:2]:
        for name in ("worded", None, "worded", ("worded-mean", "worded"), "worded-mean", None):
            same(one(subject, prompt, subject.asked(prompt, name)), subject.local(prompt, name))


def test_only_clean_blocks_are_shared(subject: Subject):
    prompt = written(subject)
    full = len(prompt) // BLOCK * BLOCK
    assert one(subject, prompt, {"artifact": "all"}).cached == 0
    assert one(subject, prompt).cached == 0
    assert one(subject, prompt, {"artifact": "from-last"}).cached == full
    assert one(subject, prompt, {"artifact": "all"}).cached == full
    assert one(subject, prompt, {"artifact": "all", "strength": 0.25}).cached == 0


def test_strengths_are_told_apart(subject: Subject):
    prompt = written(subject)
    for strength in (0.5, 0.25, 0.5, -0.5, 0):
        found = one(subject, prompt, {"artifact": "all", "strength": strength})
        same(found, subject.local(prompt, "all", strength))


@pytest.mark.parametrize("name", ["all", "generated", "network"])
def test_a_turn_that_follows_is_not_touched_by_how_the_one_before_was_steered(subject: Subject, name: str):
    """The tokens of the steered answer are in the cache, and in the next prompt."""
    prompt = written(subject, name, beyond=BLOCK - 1)
    steered = one(subject, prompt, {"artifact": name})
    assert (len(prompt) + len(steered.tokens) - 1) // BLOCK > len(prompt) // BLOCK
    following = prompt.followed_by([*steered.tokens, *prompt.ids[-8:].tolist()])
    same(one(subject, following), subject.local(following, None))
    again = {"artifact": name}
    same(one(subject, following, again), subject.local(following, name))


def test_pictures_too(subject: Subject):
    for prompt in [prompt for prompt in subject.prompts if len(prompt.images)][:4]:
        for name in ("all", None, "generated", "all", None):
            same(one(subject, prompt, None if name is None else {"artifact": name}), subject.local(prompt, name))


def test_another_content_under_the_same_name(subject: Subject):
    prompt, asked = written(subject), {"artifact": "changed"}
    for name in ("all", "from-last", "all"):
        subject.offer("changed", name)
        found = one(subject, prompt, asked)
        same(found, subject.local(prompt, name))
        same(one(subject, prompt, asked), subject.local(prompt, name))


def test_a_request_that_fails_in_the_middle_of_its_prompt_ends(subject: Subject):
    """The worker has let an artifact go that the front end still offers; the step computes half of the prompt."""
    artifact = subject.artifacts["all"].with_strength(0.125)
    folder = artifact.save(subject.folder / "gone")
    offer = process_bank().read("gone", folder)
    process_bank().put(offer)
    prompt = written(subject)
    assert len(prompt) > 64
    given = vllm.SamplingParams(temperature=0, max_tokens=4, extra_args={"artifact": "gone"})
    (found,) = subject.llm.generate([subject.request(prompt)], given, use_tqdm=False)
    process_bank().remove("gone")
    assert found.outputs[0].finish_reason == "error"
    assert "was removed before the request began" in found.kv_transfer_params["trimtab"]["error"]
    same(one(subject, prompt, {"artifact": "all", "strength": 0.125}), subject.local(prompt, "all", 0.125))


def test_what_a_failed_request_has_computed_is_not_kept(subject: Subject):
    """It ends in the step in which it fails, so that vLLM has let its blocks go before anybody can ask for them."""
    folder = subject.artifacts["all"].with_strength(0.375).save(subject.folder / "lost")
    offer = process_bank().read("lost", folder)
    process_bank().put(offer)
    asked = {"prompt_token_ids": written(subject, "Here.").ids[: 2 * BLOCK - 1].tolist()}
    given = vllm.SamplingParams(temperature=0, max_tokens=1, extra_args={"artifact": "lost"})
    (found,) = subject.llm.generate([asked], given, use_tqdm=False)
    assert found.outputs[0].finish_reason == "error"
    assert subject.llm.collective_rpc("trimtab_add", args=("lost", str(folder), offer.digest)) == [None]
    first, again = (subject.llm.generate([asked], given, use_tqdm=False)[0] for _ in range(2))
    assert [one.num_cached_tokens for one in (first, again)] == [0, BLOCK]
    assert all(one.outputs[0].finish_reason in ("stop", "length") for one in (first, again))
    process_bank().remove("lost")
    subject.llm.collective_rpc("trimtab_remove", args=(offer.digest,))
