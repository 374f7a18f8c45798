"""Text of strangers on a terminal: shown, never obeyed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.cli.safe_text import UNSAFE, safe, safe_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "ab"),
        ("\x1b]0;title\x07b", "b"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("a\x9b31mb", "ab"),
        ("over\rwritten\b\b", "over written"),
        ("first\nsecond\u2028third\tfourth", "first second third fourth"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("\u2066a\u2069\u200f\ufeff\U000e0041", "a"),
        ("half \ud83d", "half \ufffd"),
        ("[/bold] [red]", "[/bold] [red]"),
        ("न\u094d\u200dय 👩\u200d🚀 é", "न\u094d\u200dय 👩\u200d🚀 é"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text, shown):
    assert safe(text) == shown


@given(st.text(alphabet=st.characters(), max_size=40))
def test_nothing_unsafe_is_left_and_all_of_it_can_be_written(text):
    found = safe(text)
    assert not UNSAFE.search(found)
    found.encode()


@given(st.text(alphabet=st.characters(), max_size=40))
def test_a_json_document_keeps_its_value(text):
    document = safe_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(document) == {"text": text}
    assert not UNSAFE.search(document)
    document.encode()
