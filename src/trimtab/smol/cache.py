"""Where the converted language model and the finished checkpoint are kept, each made once."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trimtab.errors import InUseError, UsageError
from trimtab.locks import FolderLock
from trimtab.progress import SILENT, Progress
from trimtab.smol.build import AGAIN, assemble
from trimtab.smol.language import GGUF_SHA256, convert, packaged

EYES = Path(__file__).parent / "eyes.safetensors"
RECIPE = "1"
"""Part of the folders' names: raised when what is written into them changes, so that older ones are made anew."""
PATIENCE = 600.0
"""Seconds to wait for another process that is converting."""
_EVERY = 0.2


def cache_folder() -> Path:
    """Return where trimtab keeps what it can make again: ``TRIMTAB_CACHE``, or the system's place for caches."""
    if chosen := os.environ.get("TRIMTAB_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "trimtab" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "trimtab"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trimtab"


def language_folder(progress: Progress = SILENT) -> Path:
    """Return SmolLM2-135M-Instruct as a plain Hugging Face folder, converted on first use.

    Raises:
        MissingDependencyError: It is not converted yet, and its package is not installed.
        RunFolderError: The cache cannot be written to.
    """
    return _kept("smollm2-135m-instruct", GGUF_SHA256, lambda folder: convert(packaged(), folder, progress))


def checkpoint(progress: Progress = SILENT) -> Path:
    """Return smol-llava's folder, a plain LLaVA checkpoint, put together on first use.

    Args:
        progress: Told of each tensor that is converted.

    Raises:
        MissingDependencyError: It is not there yet, and SmolLM2's package is not installed.
        UsageError: The eyes are missing or do not go with the language model.
        RunFolderError: The cache cannot be written to.
    """
    if not EYES.is_file():
        raise UsageError(
            f"`name_or_path` of load can be smol-llava only with its eyes; there is no file {EYES}; {AGAIN}."
        )
    return _kept("smol-llava", _made_of(), lambda folder: assemble(language_folder(progress), EYES, folder))


def made() -> Path | None:
    """Return smol-llava's folder if it was put together before, from what it would be made of now."""
    folder = _place("smol-llava", _made_of()) if EYES.is_file() else None
    return folder if folder is not None and folder.is_dir() else None


def _made_of() -> str:
    return hashlib.sha256(EYES.read_bytes()).hexdigest() + GGUF_SHA256


def _place(name: str, made_of: str) -> Path:
    return cache_folder() / f"{name}-{hashlib.sha256((RECIPE + made_of).encode()).hexdigest()[:12]}"


def _kept(name: str, made_of: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of the cache, made if it is not there; earlier ones, made of something else, then go."""
    folder = _place(name, made_of)
    home = folder.parent
    if folder.is_dir():
        return folder
    with _alone(home):
        if not folder.is_dir():  # another process may have made it meanwhile
            make(folder)
            for earlier in home.glob(f"{name}-{'[0-9a-f]' * 12}"):
                if earlier != folder:
                    shutil.rmtree(earlier, ignore_errors=True)
    return folder


def _alone(home: Path) -> FolderLock:
    """Hold the cache; wait while another process or thread does."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return FolderLock(home, "`TRIMTAB_CACHE`")
        except InUseError:
            if time.monotonic() > until:
                raise
            time.sleep(_EVERY)
