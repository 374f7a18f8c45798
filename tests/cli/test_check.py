"""``trimtab check``."""

import json
from dataclasses import replace

import pytest

import trimtab


@pytest.fixture
def one_job(monkeypatch):
    """Try the quickest job only: what all of them find is tested elsewhere."""
    import trimtab.checking.check as module

    jobs = [job for job in module.JOBS if job.verb == "fit"]
    monkeypatch.setattr(module, "JOBS", jobs)
    monkeypatch.setattr("trimtab.checking.JOBS", jobs)
    return jobs[0]


def test_a_whole_model(invoke, data, one_job):
    found = invoke("check", "tiny", data)
    assert found.exit_code == 0, found.output
    for words in ("Model", "Items", "Jobs, tried on", "Notes", "Every job for such items works.", "6 items"):
        assert words in found.stdout
    assert "Traceback" not in found.output


def test_json(invoke, data, one_job):
    result = invoke("check", "tiny", data, "--limit", 4, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["ok"]
    assert (found["prompts"]["items"], found["jobs"][0]["units"]) == (4, 4)
    assert found["loaded_seconds"] >= 0


def test_without_items_the_bundled_ones_are_tried(invoke, one_job):
    found = invoke("check", "tiny")
    assert found.exit_code == 0, found.output
    assert "pocket-mc2:test" in found.stdout
    assert "all items" not in found.stdout


def test_a_job_that_fails_exits_1_with_its_reason(invoke, data, monkeypatch, one_job):
    from dataclasses import replace

    import trimtab.checking.check as module

    def broken(_trial):
        raise RuntimeError("no kernel [/bold] for this type\x1b[2J")

    monkeypatch.setattr(module, "JOBS", [replace(one_job, run=broken)])
    found = invoke("check", "tiny", data)
    assert found.exit_code == 1
    assert "FAILS" in found.stdout
    assert "no kernel [/bold] for this type" in found.stdout
    assert "\x1b[2J" not in found.stdout
    assert "1 of 1 jobs do not work" in found.stdout


@pytest.mark.parametrize("json_too", [False, True])
def test_a_model_that_does_not_load_exits_1(invoke, data, monkeypatch, json_too):
    def broken(_name: str, **_options) -> None:
        raise RuntimeError("shapes do not match\nthousands of lines")

    monkeypatch.setattr(trimtab, "load", broken)
    found = invoke("check", "tiny", data, *(["--json"] if json_too else []))
    assert found.exit_code == 1
    assert "Traceback" not in found.output
    if json_too:
        assert json.loads(found.stdout) == {
            "ok": False,
            "model": {"name": "tiny"},
            "reason": "RuntimeError: shapes do not match",
        }
    else:
        assert "RuntimeError: shapes do not match" in found.stdout


def test_no_such_data_is_an_error_before_the_model_is_loaded(invoke, monkeypatch):
    monkeypatch.setattr(trimtab, "load", lambda *_, **__: pytest.fail("loaded"))
    assert invoke("check", "tiny", "nowhere.jsonl").exit_code in (1, 2)


def test_an_interrupt_keeps_what_was_found(invoke, data, one_job, monkeypatch):
    def stopped(_trial):
        raise KeyboardInterrupt

    monkeypatch.setattr("trimtab.checking.check.JOBS", [one_job, replace(one_job, verb="harden", run=stopped)])
    found = invoke("check", "tiny", data)
    assert found.exit_code == 130
    assert "fit  states  works" in found.stderr
    assert "Interrupted: 1 of 2 jobs were tried." in found.stdout
    assert "Jobs, tried on" in found.stdout
