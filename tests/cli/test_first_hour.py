"""What somebody meets first: no arguments, examples, a slip, the tab key, quiet."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tests.conflicts import make_items
from typer.core import TyperGroup

from trimtab.cli import app
from trimtab.cli.completing import complete_data, complete_method, complete_model
from trimtab.items import write_items
from trimtab.steering import METHODS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(group: typer.Typer = app) -> list[str]:
    inner = [info.typer_instance for info in group.registered_groups if info.typer_instance is not None]
    own = [str(command.epilog).removeprefix("Example: ") for command in group.registered_commands]
    return [*own, *(line for one in inner for line in examples(one))]


LINE = re.compile(r"^(?:    |\$ )(trimtab [a-z].*)$", re.MULTILINE)
SHOWN = {line: None for page in PAGES for line in LINE.findall(page.read_text().replace("\\\n", " "))}


def parse(line: str) -> None:
    """Parse a command line as the program does, without running it."""
    words = shlex.split(line, comments=True)[1:]
    command, context, name = typer.main.get_command(app), None, "trimtab"
    while isinstance(command, TyperGroup):
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
        name, command, words = command.resolve_command(context, words)
    assert command is not None
    command.make_context(name, words)


def test_every_verb_has_an_example_of_its_own():
    assert all(example.startswith("trimtab ") for example in examples())
    assert len(examples()) == len(set(examples())) > 15


@pytest.mark.parametrize("line", [*examples(), *SHOWN])
def test_what_help_and_pages_show_can_be_typed(line):
    parse(line)


def test_an_example_that_cannot_be_typed_is_found():
    with pytest.raises(Exception, match="No such option"):
        parse("trimtab measure pocket-qwen pocket-mc2:test --limt 3")


def test_alone_it_says_what_to_do_first(invoke):
    result = invoke()
    assert result.exit_code == 0
    steps = re.findall(r"^  (trimtab .*?)(?:  #.*)?$", result.stdout, re.MULTILINE)
    assert [step.split()[1] for step in steps] == ["demo", "check", "measure", "check"]
    for step in steps:
        parse(step)


def test_the_tab_key_completes_names_and_nothing_slow():
    assert complete_model("pocket-l") == ["pocket-llava"]
    assert complete_data("pocket-mc2:t") == ["pocket-mc2:train", "pocket-mc2:test"]
    assert complete_method("") == sorted(METHODS)
    code = (
        "import sys; from trimtab.cli.completing import complete_data, complete_method, complete_model;"
        "print(complete_data('pocket-mc2:te'), complete_method('am'), complete_model('x'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "['pocket-mc2:test'] ['amps'] [] False"


def test_a_shell_is_given_completions():
    asked = {"_TRIMTAB_COMPLETE": "complete_bash", "COMP_WORDS": "trimtab fit autot", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['trimtab']; from trimtab.cli import main; main()"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, **asked},
    )
    assert done.stdout.split() == ["autotrim"]


def test_quiet_leaves_results_and_errors(invoke, data):
    loud = invoke("measure", "tiny", data, "--limit", 2, "--json")
    quiet = invoke("measure", "tiny", data, "--limit", 2, "--json", "--quiet")
    assert json.loads(quiet.stdout) == json.loads(loud.stdout)
    assert "Loading tiny" in loud.stderr
    assert quiet.stderr == ""
    wrong = invoke("measure", "tiny", "nowhere.jsonl", "-q")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["mesure"], "Did you mean 'measure'? See trimtab --help."),
        (["data", "shw"], "Did you mean 'show'? See trimtab data --help."),
        (["measure", "pocket-qwn", "items.jsonl"], "did you mean 'pocket-qwen'?"),
        (["measure", "tiny", "item.jsonl"], "did you mean 'items.jsonl'?"),
        (["measure", "tiny", "pocket-mc:test"], "did you mean 'pocket-mc2'?"),
        (["measure", "tiny", "pocket-mc2:tset"], "did you mean 'test'?"),
        (["measure", "tiny", "items.jsonl", "--trace", "tets-3"], "did you mean 'test-3'?"),
        (["measure", "tiny", "items.jsonl", "--method", "shaply"], "did you mean 'shapley'?"),
        (["measure", "tiny", "items.jsonl", "--method", "mcs", "--option", "drawn=2"], "did you mean 'draws'?"),
        (["fit", "learnt_trim", "tiny", "items.jsonl", "--target", "text"], "did you mean 'learned_trim'?"),
        (["fit", "mean", "tiny", "items.jsonl", "--target", "text", "--option", "lair=1"], "did you mean 'layer'?"),
        (["evaluate", "tiny", "items.jsonl", "--artifact", "mean-txt"], "did you mean 'mean-text'?"),
        (["evaluate", "tiny", "items.jsonl", "--protocol", "opne"], "did you mean 'open'?"),
        (["report", "runs/dmo"], "did you mean 'runs/demo'?"),
        (["study", "odd.yaml"], "did you mean 'train_items'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_suggests_the_nearest_name(invoke, tmp_path, arguments, meant):
    write_items(make_items("test"), tmp_path / "items.jsonl")
    for name in ("mean-text", "runs/demo"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "mean-text" / "config.json").write_text("{}")
    (tmp_path / "runs" / "demo" / "summary.json").write_text("{}")
    (tmp_path / "odd.yaml").write_text("train_itms: 3\n")
    result = invoke(*arguments)
    assert result.exit_code in (1, 2), result.output
    assert meant in result.stderr.strip().splitlines()[-1]


def test_a_task_that_is_not_there_suggests_one(model):
    from trimtab.errors import UsageError
    from trimtab.steering import TrainingSet

    train = TrainingSet(model, make_items("test"), [0])
    with pytest.raises(UsageError, match=r"did you mean 'color'\?$"):
        train.part(tasks=["colour"])


def test_a_plan_says_its_cost_and_runs_nothing(invoke, data, tmp_path):
    (tmp_path / "few.yaml").write_text(f"kind: measurement\nmodel: tiny\ndata: {data.name}\nlimit: 4\n")
    found = json.loads(invoke("study", "few.yaml", "--plan", "--json").stdout)
    (task,) = found["tasks"]
    assert (task["steps"], task["items"], task["rows"]) == (1, 4, {"prompts": 16, "answers": 4, "shared": 0})
    assert found["seconds"] == task["seconds"] > 0
    shown = invoke("study", "few.yaml", "--plan")
    assert "About " in shown.stdout
    (tmp_path / "mcs.yaml").write_text(f"kind: measurement\nmodel: tiny\ndata: {data.name}\nmethod: mcs\n")
    shown = invoke("study", "mcs.yaml", "--plan")
    assert "?: depends on what is found" in shown.stdout
    assert "About " not in shown.stdout
    assert not (tmp_path / "runs").exists()
    assert invoke("study", "few.yaml", "--plan", "--list").exit_code == 2
