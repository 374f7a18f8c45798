"""What a server is started with, for all of its processes: an environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trimtab.errors import UsageError
from trimtab.serving.bank import Bank, check_name
from trimtab.serving.facts import ServedModel

VARIABLE = "TRIMTAB_SERVING"
MOST_BYTES = 64 << 20
"""The longest body of a request where nobody says: some forty photos."""


@dataclass(frozen=True)
class Settings:
    """What a server offers from its start.

    Attributes:
        facts: The file of ``ServedModel``.
        artifacts: Names and folders of the artifacts that it offers at once.
        bank: The folder from which others may be added while it runs; None for none.
        most_bytes: The longest body that a request may have.
    """

    facts: Path
    artifacts: tuple[tuple[str, Path], ...] = ()
    bank: Path | None = None
    most_bytes: int = MOST_BYTES

    def environment(self) -> dict[str, str]:
        """Return the variable that carries the settings."""
        artifacts = [[name, str(folder.resolve())] for name, folder in self.artifacts]
        bank = None if self.bank is None else str(self.bank.resolve())
        held = {"facts": str(self.facts.resolve()), "artifacts": artifacts, "bank": bank, "bytes": self.most_bytes}
        return {VARIABLE: json.dumps(held)}

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings | None:
        """Return the settings of this process; None where vLLM was started by something else."""
        text = environment.get(VARIABLE)
        if not text:
            return None
        held = json.loads(text)
        artifacts = tuple((name, Path(folder)) for name, folder in held["artifacts"])
        bank = None if held["bank"] is None else Path(held["bank"])
        return cls(Path(held["facts"]), artifacts, bank, held["bytes"])

    def folder(self, name: object) -> Path:
        """Return the folder of an artifact of the bank.

        Raises:
            UsageError: There is no bank, or no such folder in it.
        """
        check_name(name)
        if self.bank is None:
            raise UsageError(
                "`name` of an artifact must lie in the server's bank, and it was started without one; start it with "
                "--bank FOLDER."
            )
        bank = self.bank.resolve()
        folder = (bank / str(name)).resolve()
        if folder.parent != bank or not folder.is_dir():
            raise UsageError(f"`name` of an artifact must be a folder in the server's bank; got {name!r:.100}.")
        if any(path.is_symlink() for path in folder.rglob("*")):
            raise UsageError(
                f"`name` of an artifact must be a folder of files of its own; {name!r:.100} holds a link; copy what it "
                "leads to."
            )
        return folder

    def open(self) -> Bank:
        """Read the artifacts that are offered from the start."""
        bank = Bank(ServedModel.load(self.facts))
        for name, folder in self.artifacts:
            bank.put(bank.read(name, folder))
        return bank

    def in_bank(self) -> list[tuple[str, Path]]:
        """Return names and folders of what is in the bank's folder now, for which room is made."""
        found = [] if self.bank is None else sorted(path for path in self.bank.iterdir() if path.is_dir())
        return [(path.name, path) for path in found]


@cache
def process_settings() -> Settings:
    """Return this process's settings, read once."""
    found = Settings.read()
    assert found is not None
    return found


@cache
def process_bank() -> Bank:
    """Return this process's bank."""
    return process_settings().open()
