"""A name that leads nowhere fails at once, and says so."""

import time

import pytest

from trimtab.errors import UsageError
from trimtab.models import load
from trimtab.models import source as sources


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pocket-qwn", "did you mean 'pocket-qwen'"),
        ("qwen", "there is no such folder"),
        ("./nowhere", "there is no such folder"),
        ("a/b/c", "there is no such folder"),
        ("", "must be a name or a folder"),
        (None, "must be a name or a folder"),
        ("nobody/nothing", "it was not downloaded before"),
    ],
)
def test_a_misspelt_name_fails_at_once(name, message):
    start = time.perf_counter()
    with pytest.raises(UsageError, match=message):
        load(name)
    assert time.perf_counter() - start < 5


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="is a file; give the folder it is in"):
        load(tmp_path / "config.json")


def _refusal(kind):
    import httpx2

    request = httpx2.Request("HEAD", "https://huggingface.co")
    return kind("said", response=httpx2.Response(404, request=request))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("RepositoryNotFoundError", "no such repository, or it is private and needs `token`"),
        ("GatedRepoError", "its owner must grant you access"),
        ("RevisionNotFoundError", "it has no revision 'v9'"),
        (ConnectionError, "the Hub cannot be reached: said"),
    ],
)
def test_what_the_hub_says_is_said_once(kind, message, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants, errors

    asked = []

    def answer(url, **options):
        asked.append((url, options["token"]))
        raise _refusal(getattr(errors, kind)) if isinstance(kind, str) else kind("said")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", answer)
    with pytest.raises(UsageError, match=message):
        load("owner/name", revision="v9", token="secret")
    assert [(url.endswith("owner/name/resolve/v9/config.json"), token) for url, token in asked] == [(True, "secret")]


def test_where_the_hub_answers_every_file_is_read_by_the_same_options(monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
    found = sources.find("owner/name", revision="v1", token=True)
    assert found.options == {"revision": "v1", "token": True, "local_files_only": False}


@pytest.mark.parametrize(
    "argument", [{"attention": "flash"}, {"device": "tpu9"}, {"device": "meta"}, {"dtype": "int8"}]
)
def test_arguments_are_checked_before_anything_is_read(argument):
    with pytest.raises(UsageError, match=f"`{next(iter(argument))}` of load must be"):
        load("pocket-qwen", **argument)


def test_what_was_downloaded_before_is_read_from_its_folder_where_the_hub_is_silent(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    snapshot = tmp_path / "models--owner--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (tmp_path / "models--owner--name" / "refs").mkdir()
    (tmp_path / "models--owner--name" / "refs" / "main").write_text("abc")

    def silent(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", silent)
    assert sources.find("owner/name") == sources.Source(str(snapshot), bundled=False, local=True, options={})
    with pytest.raises(UsageError, match="the Hub cannot be reached: .*no route"):
        sources.find("owner/name", revision="v2")
