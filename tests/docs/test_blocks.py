"""The Python blocks of the documentation run, or at least name what there is; links lead somewhere."""

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import trimtab

DOCS = Path(__file__).parents[2] / "docs"
RELEASED = '"Qwen/Qwen2.5-VL-7B-Instruct", device_map="auto"'
"""What a page loads that is no bundled model; nothing is downloaded here."""

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["check", "checkpoints", "decoding", "index", "pictures", "transformers", "exchange"])
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
    if page == "transformers":
        assert "prompt + " in str(known["receipt"])
        assert isinstance(known["said"], str)


PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_python_and_names_what_trimtab_has(page):
    for block in BLOCK.findall(page.read_text()):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                home = import_module(str(node.module))
                assert all(hasattr(home, alias.name) for alias in node.names), ast.unparse(node)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tt":
                assert hasattr(trimtab, node.attr), ast.unparse(node)


@pytest.mark.parametrize("page", [*PAGES, DOCS.parent / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_what_a_page_links_to_is_there(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []
