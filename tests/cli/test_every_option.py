"""Every verb, given a wrong value for each of its arguments and options, answers with one sentence."""

from enum import StrEnum
from pathlib import Path

import pytest

from trimtab.testing import picture

from .walk import Given, Verb, verbs

VALUES = {
    "MODEL": "tiny",
    "DATA": "items.jsonl",
    "METHOD": "mean",
    "CONFIG": "study.yaml",
    "FOLDER": "tiny",
    "RUN": "tiny",
    "PATH": "out.jsonl",
    "--target": "image",
    "--question": "What is it?",
    "--image": "p.png",
}
"""Values of what a verb needs; they are right."""

FREE = {"--question", "--context", "--instruction"}
"""Texts that may be anything."""

WRONG_TEXTS = {
    "DATA": ["nowhere.jsonl", "items.csv", "pocket-mc2:tset", "."],
    "MODEL": ["pocket-qwn", "items.jsonl", "nowhere/at/all", ""],
    "--device": ["abacus", "cuda:99"],
    "--option": ["draws=[", "draws", "draws=!!python/name:os.system x", "draws=.nan", "nonsense=1", "seed=-1"],
    "--revision": [],
    "--report-to": ["zzz"],
    "--split": ["nowhere"],
}
"""What is wrong for a text beyond a word that means nothing."""


def wrong_values(given: Given) -> list[str]:
    """Return values that the parameter must refuse."""
    if given.kind is int:
        least, most = given.info.min, given.info.max
        beyond = [str(int(least) - 1)] if least is not None else []
        return ["abc", "1.5", "", *beyond, *([str(int(most) + 1)] if most is not None else [])]
    if given.kind is float:
        return ["abc", "nan", "inf", ""]
    if isinstance(given.kind, type) and issubclass(given.kind, StrEnum):
        return ["zzz", ""]
    if given.kind is Path:
        return ["p.png/inside"] if given.name in ("--out", "PATH") else ["nowhere", "p.png/inside"]
    if given.name in FREE:
        return []
    return WRONG_TEXTS.get(given.name, ["zzz"])


def command(verb: Verb, changed: Given, value: str) -> list[str]:
    """Return a command line that is right but for one value."""
    words = list(verb.words)
    for given in verb.parameters:
        is_it = given.name == changed.name
        if not (given.required or is_it or (given.name == "--image" and verb.name == "generate")):
            continue
        right = VALUES.get(given.name, "")
        shown = value if is_it else right
        if verb.name == "fit" and changed.name == "--strength" and given.name == "DATA":
            words += ["--validation", "items.jsonl"]
        words += [shown] if given.is_argument else [f"{given.name}={shown}"]
    return words


@pytest.fixture
def folder(invoke, data, tmp_path):
    """A folder with what the commands name."""
    picture().save(tmp_path / "p.png")
    (tmp_path / "study.yaml").write_text("models: [tiny]\ndata: nowhere.jsonl\n")
    return tmp_path


@pytest.mark.parametrize("verb", verbs(), ids=lambda verb: verb.name)
def test_a_wrong_value_is_one_sentence(invoke, folder, verb):
    for given in verb.parameters:
        for value in ["x"] if given.is_flag else wrong_values(given):
            words = command(verb, given, value)
            result = invoke(*words)
            said = result.stderr.strip().splitlines()
            assert result.exit_code in (1, 2, 3), (words, result.output)
            assert said, words
            assert said[-1].startswith("Error: "), (words, said)
            assert sum(line.startswith("Error: ") for line in said) == 1, (words, said)
            assert "Traceback" not in result.output, words
            assert "this is a bug" not in result.stderr, (words, said)
            assert result.stdout == "", words


def test_without_what_it_needs_a_verb_says_what(invoke):
    for verb in verbs():
        if any(given.required for given in verb.parameters):
            result = invoke(*verb.words)
            assert result.exit_code == 2, verb
            assert f"see trimtab {verb.name} --help" in result.stderr
