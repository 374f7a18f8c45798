"""The notebooks: without outputs in git, of names that trimtab has; and, where Jupyter's kernel is, they run."""

import ast
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import trimtab

HOME = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(HOME.glob("*.ipynb"))
PATIENCE = 900
"""Seconds of a cell on a busy machine; the whole notebook takes less than 180 on two quiet cores."""


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def test_there_is_one_for_each_thing_to_do():
    assert [path.stem for path in NOTEBOOKS] == ["explain", "measure", "steer"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    for cell in cells(path, "code"):
        assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})
    assert set(json.loads(path.read_text())["metadata"]) == {"kernelspec", "language_info"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_what_there_is(path):
    lines = [line for cell in cells(path, "code") for line in [*cell["source"], "\n"] if not line.startswith("%")]
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ImportFrom):
            home = import_module(str(node.module))
            assert all(hasattr(home, alias.name) for alias in node.names), ast.unparse(node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tt":
            assert hasattr(trimtab, node.attr), ast.unparse(node)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_links_to_is_there(path):
    text = "".join(line for cell in cells(path, "markdown") for line in cell["source"])
    targets = [part.split(")")[0].split("#")[0] for part in text.split("](")[1:]]
    assert targets
    assert [target for target in targets if not (HOME / target).exists()] == []


@pytest.mark.timeout(4 * PATIENCE)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    given = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in given) >= 2
    assert [output for output in given if output.get("name") == "stderr"] == []
