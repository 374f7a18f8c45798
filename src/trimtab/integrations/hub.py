"""The Hugging Face Hub: artifacts, reports of runs and data go there and come from there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar, overload

from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from trimtab.artifact_folder import CARD, CONFIG, WEIGHTS, read_config
from trimtab.artifacts import ADAPTERS, load_artifact
from trimtab.circuits import HeadSet
from trimtab.engine import ModelOrEngine
from trimtab.errors import ArtifactError, UsageError
from trimtab.integrations.cards import data_card, run_card
from trimtab.items import Item, write_items
from trimtab.models import Model
from trimtab.steering import Artifact
from trimtab.studies import read_summary

ARTIFACT_FILES = (CONFIG, WEIGHTS, CARD)
ADAPTER_FILES = (ADAPTERS, "adapter_model.safetensors", "harden.json", CARD)
RUN_FILES = ("report.html", "summary.json", "config.yaml", "provenance.json", "figures/*")
"""What of a run folder is its report: no answers, no artifacts, no weights."""

Kind = TypeVar("Kind", Artifact, HeadSet, Model)


def push_to_hub(folder: str | Path, repo: str, *, private: bool = False, token: str | bool | None = None) -> str:
    """Put an artifact or the report of a run on the Hub.

    Args:
        folder: An artifact, a folder of adapters, or a run folder with its report.
        repo: ``owner/name``; it is made if there is none. Artifacts are models there, runs are data sets.
        private: Make it private.
        token: Access token; left out, the one of ``hf auth login``.

    Returns:
        Its address.

    Raises:
        ArtifactError: The folder holds neither.
        UsageError: The Hub refuses.
    """
    folder = Path(folder)
    if (folder / ADAPTERS).is_file():
        return _sent(folder, repo, "model", ADAPTER_FILES, private, token)
    if (folder / CONFIG).is_file():
        read_config(folder)
        return _sent(folder, repo, "model", ARTIFACT_FILES, private, token)
    if (folder / "summary.json").is_file() and (folder / "report.html").is_file():
        card = run_card(read_summary(folder), folder.name)
        return _sent(folder, repo, "dataset", RUN_FILES, private, token, card)
    raise ArtifactError(
        f"`folder` of push_to_hub must be an artifact, or a run folder with its report.html; {folder} is neither; "
        "write the report by: trimtab report RUN."
    )


@overload
def from_pretrained(
    repo: str, model: ModelOrEngine, kind: None = None, *, revision: str | None = None, token: str | bool | None = None
) -> Artifact | HeadSet | Model: ...
@overload
def from_pretrained(
    repo: str, model: ModelOrEngine, kind: type[Kind], *, revision: str | None = None, token: str | bool | None = None
) -> Kind: ...
def from_pretrained(
    repo: str,
    model: ModelOrEngine,
    kind: type[Kind] | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Artifact | HeadSet | Model:
    """Load an artifact from the Hub; ``trimtab.load_artifact`` says what is checked.

    Args:
        repo: ``owner/name``.
        model: The model that it was made for.
        kind: ``Artifact``, ``HeadSet`` or ``Model``, where only that is wanted.
        revision: Branch, tag or commit.
        token: Access token; left out, the one of ``hf auth login``.

    Raises:
        UsageError: There is none of that name, or it cannot be reached.
        ArtifactError: It is broken, or was made for another model.
    """
    folder = pull(repo, revision=revision, token=token)
    return load_artifact(folder, model) if kind is None else load_artifact(folder, model, kind)


def pull(
    repo: str, out: str | Path | None = None, *, revision: str | None = None, token: str | bool | None = None
) -> Path:
    """Download an artifact's files, and no others.

    Args:
        repo: ``owner/name``.
        out: A folder to put them in; left out, the Hub's cache.
        revision: Branch, tag or commit.
        token: Access token.

    Raises:
        UsageError: There is none of that name, or it cannot be reached.
        ArtifactError: It holds no artifact.
    """
    wanted = [*ARTIFACT_FILES, *ADAPTER_FILES]
    with _asking(repo):
        found = snapshot_download(
            repo, revision=revision, token=token, allow_patterns=wanted, local_dir=None if out is None else str(out)
        )
    folder = Path(found)
    if not any((folder / name).is_file() for name in (CONFIG, ADAPTERS)):
        raise ArtifactError(f"`repo` must hold an artifact, with its {CONFIG}; {repo} has none; check the name.")
    return folder


def push_items(
    items: Sequence[Item],
    repo: str,
    *,
    title: str,
    licence: str,
    notice: str = "",
    private: bool = False,
    token: str | bool | None = None,
) -> str:
    """Put items with their pictures on the Hub as Parquet, a file for each split, with a card.

    Args:
        items: The items; those that name no split are ``test``.
        repo: ``owner/name``.
        title: What the data are called.
        licence: As the Hub names it, such as ``cc-by-sa-4.0``.
        notice: Whom to name, in sentences.
        private: Make it private.
        token: Access token; left out, the one of ``hf auth login``.

    Returns:
        Its address.

    Raises:
        UsageError: There is no item, or the Hub refuses.
        DataError: A medium cannot be read.
    """
    splits: dict[str, list[Item]] = {}
    for item in items:
        splits.setdefault(item.split or "test", []).append(item)
    if not splits:
        raise UsageError("`items` of push_items must hold at least one item; got none.")
    with TemporaryDirectory() as home:
        for name, own in splits.items():
            write_items(own, Path(home) / "data" / f"{name}-00000-of-00001.parquet")
        card = data_card(title, licence, notice, splits)
        return _sent(Path(home), repo, "dataset", ("data/*.parquet",), private, token, card)


def _sent(
    folder: Path,
    repo: str,
    kind: str,
    patterns: Sequence[str],
    private: bool,
    token: str | bool | None,
    card: str | None = None,
) -> str:
    """Upload files in one commit, a card with them; return the address."""
    api = HfApi(token=token, library_name="trimtab")
    files = {str(one.relative_to(folder)): one.read_bytes() for like in patterns for one in sorted(folder.glob(like))}
    files |= {CARD: card.encode()} if card is not None else {}
    operations = [CommitOperationAdd(name, data) for name, data in files.items()]
    with _asking(repo):
        made = api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True)
        api.create_commit(made.repo_id, operations, commit_message="Upload by trimtab", repo_type=kind)
    return str(made)


@contextmanager
def _asking(repo: str) -> Iterator[None]:
    """Put whatever the Hub answers into one sentence.

    Raises:
        UsageError: With the status, or what is wrong with the name.
    """
    try:
        yield
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, json.JSONDecodeError) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"`repo` must be the name of a repository on the Hub that you may reach; {repo!r} is not to be had "
            f"({said:.200}); log in by `hf auth login`, or check the name."
        ) from error
