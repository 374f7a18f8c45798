"""The mappings of docs/data.md, each with its command, on made-up rows with the columns that they name."""

import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
SECTIONS = PAGE.read_text().split("\n### ")
MMMC = (
    "image",
    "image_id",
    "question",
    "answer",
    "conflict_type",
    "key_component",
    "key_component_relationships",
    "key_component_attributes",
)
"""The columns that the data set's card names."""


def section(title: str) -> tuple[str, list[str]]:
    """Return a section's mapping and the words of its command."""
    (text,) = (one for one in SECTIONS if one.startswith(title))
    (mapping,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"^    trimtab (.*?)(?: +#.*)?$", text, re.MULTILINE)
    return mapping, shlex.split(command)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (56, 56), "red").save("a.png")
    return tmp_path


def test_rows_of_mmmc_get_a_report(home, invoke):
    mapping, command = section("MMMC")
    (home / "mmmc.yaml").write_text(mapping)
    picture = {"bytes": (home / "a.png").read_bytes(), "path": None}
    for split, number in (("train", 2), ("test", 3)):
        said = {name: [f"{name} {k}" for k in range(number)] for name in MMMC[1:]}
        table = pa.table({"image": [picture] * number, **said})
        file = home / "MMMC" / split / "data-00000-of-00001.arrow"
        file.parent.mkdir(parents=True)
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        state = {"_data_files": [{"filename": file.name}], "_split": split}
        (file.parent / "state.json").write_text(json.dumps(state))
    (home / "MMMC" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert (home / "runs" / "mmmc" / "report.html").is_file()
    assert "conflict_type 2" in (home / "runs" / "mmmc" / "summary.json").read_text()
    default = invoke("measure", "pocket-qwen", "mmmc.yaml:test")
    assert (default.exit_code, "it has no context" in default.stderr) == (2, True), default.output


def test_several_turns_get_a_report(home, invoke):
    mapping, command = section("Persuasion over several turns")
    (row,) = re.findall(r"`(\{\"uid\".*?\})`", PAGE.read_text(), re.DOTALL)
    (home / "talk.jsonl").write_text(row.replace("\n", " "))
    (home / "talk.yaml").write_text(mapping)
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert "2 items" in " ".join((home / "runs" / "talk" / "report.html").read_text().split())


def test_every_mapping_of_the_page_is_one():
    found = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    assert len(found) == 3
    assert all({"file", "columns"} <= one.keys() for one in found)
