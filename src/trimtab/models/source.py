"""Where a model's name points: a bundled checkpoint, a folder or a Hub repository; found before anything is read."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.bundled import BUNDLED, checkpoint
from trimtab.errors import MissingDependencyError, TrimtabError, UnsupportedModelError, UsageError
from trimtab.nearest import did_you_mean
from trimtab.progress import SILENT, Progress

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
"""An owner and a name; every vision-language model of the Hub has both."""
PATIENCE = 10.0
"""Seconds that the Hub has to answer the first question."""


@dataclass(frozen=True)
class Source:
    """A place that a model's files are read from.

    Attributes:
        path: A folder, or a Hub id.
        bundled: Whether it is one that trimtab knows by name.
        local: Whether it is a folder.
        options: What each reading from the Hub is given: ``revision``, ``token``, ``local_files_only``.
    """

    path: str
    bundled: bool
    local: bool
    options: dict[str, Any]

    def file(self, name: str) -> Path | None:
        """Return the path of one of the model's files, fetched if need be; None if it has no such file."""
        if self.local:
            found = Path(self.path) / name
            return found if found.is_file() else None
        from transformers.utils import cached_file

        got = cached_file(self.path, name, **self.options, _raise_exceptions_for_missing_entries=False)
        return None if got is None else Path(got)

    def json(self, name: str) -> dict[str, Any] | None:
        """Return what one of the model's JSON files holds; None if it has no such file.

        Raises:
            UsageError: It is not a JSON object.
        """
        found = self.file(name)
        if found is None:
            return None
        return read_json(found)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UsageError: The file is not JSON, or holds something else.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"`{path}` must be a file of JSON; it is broken ({error}); fetch or write it again."
        ) from error
    if not isinstance(held, dict):
        raise UsageError(
            f"`{path}` must hold a JSON object; it holds a {type(held).__name__}; fetch or write it again."
        )
    return held


def find(
    name: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    progress: Progress = SILENT,
) -> Source:
    """Find where a name points; what a bundled name stands for is made if it is not there yet.

    Raises:
        UsageError: There is no such folder, no such Hub repository, or the Hub cannot be reached.
        UnsupportedModelError: It is a GGUF file.
        MissingDependencyError: It is smol-llava, and its language model is not installed.
    """
    if not isinstance(name, str | Path) or not str(name):
        raise UsageError(f"`name_or_path` of load must be a name or a folder; got {name!r}.")
    path = str(name)
    if path in BUNDLED:
        return Source(str(checkpoint(path, progress)), bundled=True, local=True, options={})
    if Path(path).is_dir():
        return Source(path, bundled=False, local=True, options={})
    if path.lower().endswith(".gguf"):
        refuse_gguf(path)
    if Path(path).is_file():
        raise UsageError(f"`name_or_path` of load must be a model folder; {path} is a file; give the folder it is in.")
    if not isinstance(name, str) and len(Path(name).parts) != 2 or not HUB_ID.fullmatch(path):
        _refuse_name(path)
    options = {"revision": revision, "token": token, "local_files_only": local_files_only}
    downloaded = _downloaded(path, options)
    if downloaded is not None:
        return Source(str(downloaded), bundled=False, local=True, options={})
    return Source(path, bundled=False, local=False, options=options)


def refuse_gguf(path: str) -> None:
    """Say what to do instead of loading a GGUF file."""
    raise UnsupportedModelError(
        f"`name_or_path` of load must be a checkpoint of safetensors; {path} holds GGUF weights, which carry no vision "
        "tower; load the model they were made from."
    )


@contextmanager
def reading(source: Source) -> Iterator[None]:
    """Say in one sentence what transformers says in many when a name or a file is missing or broken."""
    import torch

    try:
        with _quiet():
            yield
    except (TrimtabError, KeyboardInterrupt):
        raise
    except ImportError as error:
        raise MissingDependencyError(
            f"`name_or_path` of load needs a package that is not installed: {first_line(error)}; install it to load "
            f"{source.path}."
        ) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UsageError(
            f"`device` of load must have room for {source.path}; it ran out of memory ({first_line(error)}); give "
            "another device, device_map='auto', or dtype='bfloat16'."
        ) from error
    except Exception as error:
        raise UsageError(
            f"`name_or_path` of load must be a bundled name ({', '.join(BUNDLED)}), a model folder or a "
            f"Hub id; {source.path} cannot be loaded ({first_line(error)}); check the name, or that the folder is "
            "complete."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what transformers logs of a checkpoint, which is said in errors; and its bars, off a terminal."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, with its kind where that is needed to understand it."""
    if type(error).__name__ == "UnpicklingError":
        return "its pickle holds more than tensors, which could be a program, and is not read"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        lines = lines[1:]
    said = lines[0].rstrip(".:") if lines else ""
    return said if isinstance(error, OSError | ValueError) and said else f"{type(error).__name__}: {said}".rstrip(": ")


def _refuse_name(path: str) -> None:
    raise UsageError(
        f"`name_or_path` of load must be a bundled name ({', '.join(BUNDLED)}), a model folder or a Hub id; "
        f"{path} cannot be loaded (there is no such folder)" + did_you_mean(path, BUNDLED, "check the name")
    )


def _downloaded(path: str, options: dict[str, Any]) -> Path | None:
    """Ask the Hub once whether it has the repository; where it is silent, return an earlier download's folder.

    transformers would ask again and again for each file, half a minute for a name that was misspelt.
    """
    from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url

    if not options["local_files_only"] and not constants.HF_HUB_OFFLINE:
        url = hf_hub_url(path, "config.json", revision=options["revision"])
        try:
            get_hf_file_metadata(url, token=options["token"], timeout=PATIENCE, retry_on_errors=False)
            return None
        except errors.EntryNotFoundError:
            return None  # adapters have no config.json
        except errors.GatedRepoError as error:
            reason = "its owner must grant you access: ask for it on its page, then give `token`"
            raise _not_on_hub(path, reason) from error
        except errors.RevisionNotFoundError as error:
            raise _not_on_hub(path, f"it has no revision {options['revision']!r}") from error
        except errors.RepositoryNotFoundError as error:
            raise _not_on_hub(path, "the Hub has no such repository, or it is private and needs `token`") from error
        except Exception as error:
            unreachable: Exception | None = error  # no network, or none that leads there
    else:
        unreachable = None
    from huggingface_hub import try_to_load_from_cache

    for name in ("config.json", "adapter_config.json"):
        found = try_to_load_from_cache(path, name, revision=options["revision"])
        if isinstance(found, str):
            return Path(found).parent
    why = "local files only" if unreachable is None else f"the Hub cannot be reached: {first_line(unreachable)}"
    raise _not_on_hub(path, f"{why}, and it was not downloaded before") from unreachable


def _not_on_hub(path: str, reason: str) -> UsageError:
    return UsageError(
        f"`name_or_path` of load must be a bundled name ({', '.join(BUNDLED)}), a model folder or a Hub id; "
        f"{path} is no folder here and cannot be loaded from the Hub ({reason}); check the name."
    )
