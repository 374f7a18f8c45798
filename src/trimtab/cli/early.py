"""What can be refused before any work begins, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trimtab.errors import ArtifactError, MissingDependencyError, RunFolderError, UsageError
from trimtab.nearest import did_you_mean_path
from trimtab.progress import Advance


def check_model(name: str, loading: Mapping[str, Any]) -> None:
    """Refuse a model that is nowhere, or a device that this machine does not have; make a bundled one if need be.

    Raises:
        UsageError: Saying which, and what there is.
        MissingDependencyError: A package is needed to make it.
    """
    from trimtab.models import find

    given = {key: loading[key] for key in ("revision", "local_files_only") if key in loading}
    find(name, **given, progress=_ShownIfNeeded())
    if "device" in loading:
        _check_device(loading["device"])


def is_server(name: str) -> bool:
    """Say whether a model is given by a server's address."""
    return name.startswith(("http://", "https://"))


def check_engine(name: str, loading: Mapping[str, Any], over: object = None) -> None:
    """Do what ``check_model`` does, where a server's address may stand in the place of a model.

    Raises:
        UsageError: As there; or a server is to load its model otherwise, which it has done.
        MissingDependencyError: As there.
    """
    if not is_server(name):
        check_model(name, loading)
        return
    given = [*loading, *(["workers"] if over is not None else [])]
    if given:
        raise UsageError(
            f"`--{given[0].replace('_', '-')}` must be left out where MODEL is a server's address, since the server "
            "has loaded its model already; start it otherwise."
        )


class _ShownIfNeeded:
    """Shows progress from the first task on: most models have none."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Show one task."""
        from trimtab.cli.console import progress_bars

        with progress_bars() as bars, bars.task(name, total) as advance:
            yield advance


def _check_device(wanted: str) -> None:
    import torch

    try:
        torch.empty(0, device=torch.device(wanted))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UsageError(
            f"`--device` must be a device of this machine ({', '.join(there)}); got {wanted!r}; choose one of these."
        ) from error


def check_artifacts(folders: Iterable[Path]) -> None:
    """Refuse folders that hold no artifact.

    Raises:
        ArtifactError: Naming the first.
    """
    from trimtab.artifact_folder import read_config

    for folder in folders:
        if not (folder / "config.json").is_file():
            found = "is a file" if folder.is_file() else "holds none" if folder.is_dir() else "is not there"
            raise ArtifactError(
                f"`--artifact` must be the folder of an artifact; {folder} {found}"
                + did_you_mean_path(folder, lambda one: (one / "config.json").is_file(), "check the path")
            )
        read_config(folder)


def check_out_file(path: Path | None, name: str = "--out", suffix: str = "", data: str | None = None) -> None:
    """Refuse a file that cannot be written, or that is read.

    Args:
        path: The file.
        name: What it is called in the error.
        suffix: How it must end; empty for anyhow.
        data: Source of the items that are read.

    Raises:
        RunFolderError: Saying why.
        UsageError: It ends otherwise, or is the items' own file.
    """
    from trimtab.files import check_writable

    if path is None:
        return
    if path.is_dir():
        raise RunFolderError(f"`{name}` must be a file; {path} is a folder; give the file a name.")
    if not path.name.endswith(suffix):
        raise UsageError(f"`{name}` must be a file whose name ends in {suffix}; got '{path}'.")
    check_writable(path, f"`{name}`")
    if data is not None and path.exists():
        from trimtab.items import files_of

        if any(path.samefile(file) for file in files_of(data)):
            raise UsageError(
                f"`{name}` must be another file than the items are read from; '{path}' would be replaced; give another "
                "name."
            )


def check_package(package: str, extra: str) -> None:
    """Refuse work that needs a package that is not installed.

    Raises:
        MissingDependencyError: With the command that installs it.
    """
    if find_spec(package) is None:
        raise MissingDependencyError(f"{package} is needed and not installed; run: pip install 'trimtab[{extra}]'.")
