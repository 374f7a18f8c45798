"""Exit codes and error messages, which scripts rely on."""

import json
import subprocess
import sys

import pytest

from trimtab.errors import MissingDependencyError


def one_sentence(result) -> str:
    assert "Traceback" not in result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("Error: ")
    assert result.stdout == ""
    return message


VERBS = [
    ["check"],
    ["demo"],
    ["study"],
    ["measure"],
    ["fit"],
    ["evaluate"],
    ["generate"],
    ["interference"],
    ["harden"],
    ["report"],
    ["models", "list"],
    ["models", "show"],
    ["data", "list"],
    ["data", "show"],
    ["data", "export"],
    ["doctor"],
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example(invoke, verb):
    result = invoke(*verb, "--help")
    assert result.exit_code == 0
    assert f"Example: trimtab {' '.join(verb)}" in result.stdout
    assert "--json" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-verb"],
        ["measure", "tiny"],
        ["measure", "tiny", "items.csv"],
        ["fit", "magic", "tiny", "items.jsonl", "--target", "image"],
        ["fit", "mean", "tiny", "items.jsonl", "--target", "sound"],
        ["fit", "mean", "tiny", "items.jsonl", "--target", "image", "--layer", "9"],
        ["fit", "mean", "tiny", "items.jsonl", "--target", "image", "--strength", "2"],
        ["fit", "mean", "tiny", "items.jsonl", "--target", "image", "--option", "colour=red"],
        ["fit", "mean", "tiny", "items.jsonl", "--target", "image", "--option", "norm"],
        ["fit", "drop", "tiny", "items.jsonl", "--target", "image", "--layer", "1"],
        ["study", "nowhere.yaml"],
        ["generate", "tiny", "--question", "What?", "--strength", "2"],
        ["data", "export", "items.jsonl", "items.csv"],
        ["models", "show", "no/such/model/anywhere"],
    ],
    ids=" ".join,
)
def test_wrong_use_exits_2(invoke, data, arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_what_cannot_be_read_is_one_sentence(invoke, data):
    for arguments in (
        ["data", "show", "nowhere.jsonl"],
        ["report", "nowhere"],
        ["evaluate", "tiny", data, "--artifact", "x"],
    ):
        result = invoke(*arguments)
        assert result.exit_code == 1
        one_sentence(result)


def test_a_missing_package_exits_3(invoke, data, monkeypatch):
    import trimtab

    def missing(_name: str) -> None:
        raise MissingDependencyError("serving needs vllm; run: pip install 'trimtab[vllm]'")

    monkeypatch.setattr(trimtab, "load", missing)
    result = invoke("models", "show", "tiny")
    assert result.exit_code == 3
    assert "pip install" in one_sentence(result)


def test_ctrl_c_exits_130(invoke, data, monkeypatch):
    import trimtab

    def interrupted(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trimtab, "load", interrupted)
    result = invoke("models", "show", "tiny")
    assert (result.exit_code, result.stdout) == (130, "")


def test_doctor_fails_when_a_model_does(invoke, monkeypatch):
    import trimtab
    from trimtab.errors import UnsupportedModelError

    def broken(_name: str) -> None:
        raise UnsupportedModelError("`model` is broken.")

    monkeypatch.setattr(trimtab, "load", broken)
    result = invoke("doctor", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert not found["ok"]
    assert {c["check"] for c in found["checks"]} >= {"python", "torch", "transformers", "memory_gib", "pocket-qwen"}


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from trimtab.cli import app; from typer.testing import CliRunner;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print([m for m in ('torch', 'transformers', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_the_installed_command_reports_an_error_and_its_code(tmp_path):
    command = [sys.executable, "-c", "from trimtab.cli import main; main()", "data", "show", str(tmp_path / "no.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
