"""Exit codes and error messages, which scripts rely on."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

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


def test_an_interrupt_that_an_import_makes_something_else_of_is_one_still(invoke, data, monkeypatch):
    import trimtab

    def half_imported(_name: str) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ModuleNotFoundError("half of it was imported")

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(trimtab, "load", half_imported)
    result = invoke("models", "show", "tiny")
    assert (result.exit_code, result.stderr.strip().splitlines()[-1]) == (130, "Interrupted.")
    assert signal.getsignal(signal.SIGINT) is before


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


def broken(_name: str, **_options) -> None:
    raise KeyError("nobody [/expected] this")


def test_a_bug_is_one_sentence_and_its_traceback_is_in_a_file(invoke, data, monkeypatch):
    import trimtab

    monkeypatch.setattr(trimtab, "load", broken)
    result = invoke("models", "show", "tiny")
    assert (result.exit_code, result.stdout) == (1, "")
    message = one_sentence(result)
    assert "this is a bug" in message
    assert "nobody [/expected] this" in message
    kept = Path(message.rpartition(" is in ")[2].rstrip("."))
    assert kept.read_text().startswith("Traceback")
    kept.unlink()


def test_tracebacks_are_printed_to_those_who_ask(invoke, data, monkeypatch):
    import trimtab

    monkeypatch.setattr(trimtab, "load", broken)
    monkeypatch.setenv("TRIMTAB_TRACEBACK", "1")
    result = invoke("models", "show", "tiny")
    assert "Traceback" in result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("Error: ")
    Path(message.rpartition(" is in ")[2].rstrip(".")).unlink()
    assert "Traceback" in invoke("data", "show", "nowhere.jsonl").stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "not enough memory"),
        (PermissionError(13, "Permission denied", "/there"), "/there: Permission denied"),
        (ModuleNotFoundError("No module named 'x'", name="x.y"), "pip install x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_machine_refuses_is_no_bug(invoke, data, monkeypatch, error, said):
    import trimtab

    def refused(_name: str) -> None:
        raise error

    monkeypatch.setattr(trimtab, "load", refused)
    result = invoke("models", "show", "tiny")
    assert result.exit_code in (1, 3)
    assert said in one_sentence(result)


def test_with_json_an_error_is_a_sentence_on_stderr_and_stdout_is_empty(invoke, data):
    result = invoke("data", "show", "nowhere.jsonl", "--json")
    assert result.exit_code == 1
    one_sentence(result)


@pytest.mark.parametrize(
    "arguments",
    [
        ["measure", "tiny", "items.jsonl", "--out", "items.jsonl"],
        ["measure", "tiny", "items.jsonl", "--out", "items.jsonl/rows.parquet"],
        ["fit", "mean", "tiny", "items.jsonl", "--target", "image", "--out", "full"],
        ["evaluate", "tiny", "items.jsonl", "--out", "full"],
        ["evaluate", "tiny", "items.jsonl", "--artifact", "full"],
        ["evaluate", "tiny", "items.jsonl", "--artifact", "items.jsonl"],
        ["generate", "tiny", "--question", "What?", "--artifact", "nowhere"],
        ["circuits", "tiny", "items.jsonl", "--out", "full"],
        ["interference", "tiny", "items.jsonl", "--out", "full"],
        ["harden", "tiny", "items.jsonl", "--out", "full"],
        ["demo", "--out", "full"],
        ["data", "export", "items.jsonl", "full"],
        ["measure", "pocket-qwn", "items.jsonl"],
        ["measure", "tiny", "items.jsonl", "--device", "cuda:99"],
        ["harden", "tiny", "items.jsonl", "--report-to", "zzz"],
        ["circuits", "tiny", "items.jsonl", "--split", "nowhere"],
    ],
    ids=" ".join,
)
def test_what_can_be_refused_is_refused_before_a_model_is_loaded(invoke, data, tmp_path, monkeypatch, arguments):
    import trimtab

    def loaded(*_names, **_options) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(trimtab, "load", loaded)
    monkeypatch.setattr("trimtab.studies.kit.bench.load_model", loaded)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "README.txt").write_text("mine")
    result = invoke(*arguments)
    assert result.exit_code in (1, 2), result.output
    message = one_sentence(result)
    assert "this is a bug" not in message
    assert (tmp_path / "full" / "README.txt").read_text() == "mine"


def test_lora_needs_peft_and_says_so_first(invoke, data, monkeypatch):
    monkeypatch.setattr("trimtab.cli.early.find_spec", lambda _name: None)
    result = invoke("harden", "tiny", data)
    assert result.exit_code == 3
    assert "pip install 'trimtab[train]'" in one_sentence(result)


def test_options_of_loading_reach_it(invoke, data, monkeypatch):
    import trimtab

    given = {}

    def loaded(name, **options):
        given.update(options)
        raise MemoryError

    monkeypatch.setattr(trimtab, "load", loaded)
    chosen = ("--dtype", "bfloat16", "--device", "cpu", "--attention", "eager", "--max-pixels", 0, "--revision", "main")
    invoke("models", "show", "tiny", *chosen, "--local-files-only")
    assert given == {
        "dtype": "bfloat16",
        "device": "cpu",
        "attention": "eager",
        "max_pixels": None,
        "revision": "main",
        "local_files_only": True,
    }
    both = invoke("models", "show", "tiny", "--device", "cpu", "--device-map", "auto")
    assert both.exit_code == 2
    assert "exclude each other" in one_sentence(both)
