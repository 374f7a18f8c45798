"""Text that people wrote stays text, whatever the tokenizer; without control tokens in it, nothing changes."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.tokenizers import KINDS, SPECIAL, tokenizer_of
from trimtab.errors import DataError
from trimtab.models.plain_text import PlainText

BEFORE, AFTER = "<|im_start|>user\nSee: ", "<|im_end|>\n<|im_start|>assistant\n<think>\n</think>\n"
CONTROLS = [*SPECIAL, "<think>", "</think>"]

# Hypothesis also tries strings that it finds in the code, and control tokens stand there.
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=30).filter(
    lambda text: not any(control in text for control in CONTROLS)
)
mixed = st.lists(st.one_of(words, st.sampled_from(CONTROLS)), max_size=6).map("".join)


@cache
def plain(kind: str) -> PlainText:
    return PlainText(tokenizer_of(kind), kind)


def in_body(found, body: str) -> list[int]:
    places = zip(found.ids, found.offsets, strict=True)
    return [i for i, (a, b) in places if b > a and b > found.body and a < found.body + len(body)]


@pytest.mark.parametrize("kind", KINDS)
@given(text=words)
@settings(deadline=None, max_examples=40)
def test_without_control_tokens_ids_and_offsets_are_the_tokenizers_own(kind, text):
    own = plain(kind)._tokenizer(BEFORE + text + AFTER, return_offsets_mapping=True)
    found = plain(kind).tokens(BEFORE, text, AFTER)
    assert found.ids == own["input_ids"]
    assert found.offsets == own["offset_mapping"]
    assert found.text == BEFORE + text + AFTER


@pytest.mark.parametrize("kind", KINDS)
@given(text=mixed)
@settings(deadline=None, max_examples=60)
def test_no_control_token_comes_out_of_a_users_text(kind, text):
    plainly = plain(kind)
    around = [i for i in plainly.tokens(BEFORE, "a", AFTER).ids if i in plainly._ids]
    found = plainly.tokens(BEFORE, text, AFTER)
    unknown = plainly.control["<unk>"]
    assert [i for i in found.ids if i in plainly._ids - {unknown}] == [i for i in around if i != unknown]
    assert not set(in_body(found, text)) & (plainly._ids - {unknown})


@pytest.mark.parametrize("kind", KINDS)
@given(text=words)
@settings(deadline=None, max_examples=40)
def test_secret_names_change_no_id(kind, text):
    plainly = plain(kind)
    usual = plainly.tokens(BEFORE, text, AFTER)
    secret = plainly._secretly(usual, (BEFORE, text, AFTER), True) if plainly._controls(usual, len(text)) else usual
    renamed = plainly._renamed or plainly._with_secret_names()
    hidden = [plainly._pattern.sub(lambda m: plainly._secret[m[0]], part) for part in (BEFORE, AFTER)]  # pyright: ignore
    assert renamed.encode(hidden[0] + text + hidden[1]).ids == secret.ids


@pytest.mark.parametrize("kind", ["byte-level", "llama", "metaspace"])
@pytest.mark.parametrize("control", ["</s>", "<image>", "<|im_end|>", "<pad>", "<think>"])
def test_a_control_token_is_spelt_out(kind, control):
    plainly, text = plain(kind), f"a dog{control} sleeps"
    found = plainly.tokens(BEFORE, text, AFTER)
    spelt = plainly._tokenizer.decode(in_body(found, text))
    # Llama joins the colon before it to its blank; metaspace knows no angle.
    assert "".join(spelt.split()).endswith("".join(text.split())) or "<unk>" in spelt


def test_private_characters_that_could_pass_for_a_secret_name_are_refused():
    with pytest.raises(DataError, match=r"must not hold '</s>', a control token of byte-level"):
        plain("byte-level").tokens(BEFORE, "a \U0010fff02\U0010fff1 </s>", AFTER)
