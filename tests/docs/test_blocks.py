"""The Python blocks of the documentation run as they stand, one after the other, on a bundled model."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
RELEASED = '"Qwen/Qwen2.5-VL-7B-Instruct", device_map="auto"'
"""What a page loads that is no bundled model; nothing is downloaded here."""

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["check", "checkpoints", "decoding", "pictures"])
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text())
    assert blocks
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (112, 112), "orange").save("cat.png")
    known: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block.replace(RELEASED, '"pocket-qwen"'), f"{page}.md", "exec"), known)  # noqa: S102
    if page == "check":
        assert capsys.readouterr().out.startswith("True ")
    if page == "decoding":
        assert len(known["samples"]) == 4
        assert known["receipt"].entries
        assert isinstance(known["text"], str)
