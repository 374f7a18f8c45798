"""A newcomer's own file: no splits, a bad row or two, and what is said about them."""

import json
import subprocess
import sys

import pytest
from tests.conflicts import make_items

from trimtab.items import read_items, write_items


@pytest.fixture
def own(tmp_path):
    """A file with exactly the listed fields, no splits, and three bad rows."""
    path = write_items(make_items("own", 12), tmp_path / "own.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["split"]
    good = [json.dumps(row) for row in rows]
    surrogate = json.dumps(rows[0] | {"id": "s", "context": "\ud800"})
    path.write_text("\n".join([*good, "{broken", surrogate, json.dumps(rows[1])]))
    return path


def test_a_split_of_a_file_without_splits_is_made_and_said(own, invoke, caplog):
    result = invoke("data", "show", own, "--split", "train", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert 6 <= shown["items"] <= 8
    assert [skipped["row"] for skipped in shown["skipped"]] == [13, 14, 15]
    assert "names no splits, so its items were shared out by picture" in caplog.text


def test_splits_are_written_and_share_no_picture(own, invoke, tmp_path):
    out = tmp_path / "split.jsonl"
    shares = ("--train-share", 0.5, "--validation-share", 0, "--test-share", 0.5)
    result = invoke("data", "split", own, out, *shares, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "6 train, 6 test" in result.stdout
    shown = invoke("data", "show", out)
    assert shown.stdout.endswith("Splits: 6 test, 6 train\n") or shown.stdout.endswith("Splits: 6 train, 6 test\n")
    assert invoke("data", "show", own).stdout.endswith("Splits: none named\n")
    parts = [read_items(out, split=name) for name in ("train", "test")]
    pictures = [{item.image.fingerprint for item in part if item.image} for part in parts]
    assert len(parts[0]) == len(parts[1]) == 6
    assert pictures[0].isdisjoint(pictures[1])
    assert invoke("data", "split", own, out, "--train-share", 0.5).exit_code == 2
    assert invoke("data", "split", own, tmp_path / "a.csv").exit_code == 2


def test_a_split_of_that_name_is_not_there(own, invoke, tmp_path):
    wrong = invoke("measure", "tiny", f"{own}:tst")
    assert wrong.exit_code == 2
    assert "it is 'tst'; the file names none, so only train, validation and test can be made" in wrong.stderr
    out = tmp_path / "split.jsonl"
    invoke("data", "split", own, out)
    assert "the file has test, train, validation." in invoke("measure", "tiny", f"{out}:tst").stderr


def test_how_a_file_was_shared_out_is_said_once(own, caplog):
    read_items(f"{own}:train")
    read_items(f"{own}:test")
    assert caplog.text.count("names no splits") == 1


def test_the_bundled_sources_are_listed(invoke):
    listed = json.loads(invoke("data", "list", "--json").stdout)
    assert {"pocket-mc2:test", "pocket-interference:test"} <= listed.keys()


def test_a_verb_goes_on_without_the_bad_rows(own, invoke, tmp_path):
    rows = own.read_text().splitlines()
    (tmp_path / "junk.png").write_bytes(b"junk")
    bad = json.dumps(json.loads(rows[0]) | {"id": "junk", "image": "junk.png"})
    own.write_text("\n".join([bad, *rows]))
    result = invoke("measure", "tiny", own, "--method", "attention", "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["items"]) == 12
    assert "3 of 16 rows skipped" in result.stderr
    assert "Skipped 1 item of" in result.stderr
    own.write_text(bad)
    result = invoke("measure", "tiny", own, "--method", "attention")
    assert result.exit_code == 2
    assert "must hold an item that can be measured" in result.output


def test_check_and_show_list_a_missing_picture_and_go_on(own, invoke):
    rows = [json.loads(line) for line in own.read_text().splitlines()[:12]]
    rows[3]["image"] = "gone.png"
    agreeing = [row | {"id": f"same{n}", "answer_text": row["answer_image"]} for n, row in enumerate(rows[4:10])]
    own.write_text("\n".join(map(json.dumps, [*rows, *agreeing])))
    checked = invoke("data", "check", own, "--json")
    assert checked.exit_code == 1
    found = {one["what"]: one for one in json.loads(checked.stdout)["findings"]}
    assert found["rows whose picture, sound or clip is missing"]["count"] == 1
    assert found["rows whose picture and text agree"]["wrong"] is False
    assert "1 kind of fault." in invoke("data", "check", own).stdout
    shown = invoke("data", "show", own).stdout
    assert all(f"item same{n}: " in shown for n in range(6))
    assert "gone.png is missing" in shown
    assert invoke("data", "check", own, "--skip-missing").exit_code == 0


def test_looking_at_data_loads_no_torch(own):
    script = (
        "import sys\nfrom trimtab.cli.program import app\n"
        "try:\n    app(['data', 'check', sys.argv[1]], standalone_mode=False)\n"
        "finally:\n    print('torch' in sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", script, own], capture_output=True, text=True, check=False)
    assert said.stdout.endswith("False\n"), said.stderr
