"""Every error trimtab raises on purpose.

One root, ``TrimtabError``, so a caller can catch all of them at once; each class also inherits the builtin
error a Python programmer would expect. A message is one sentence that names the parameter and its owner, the
rule with this model's or this file's numbers, the value that broke it, and the remedy.
"""

from __future__ import annotations


class TrimtabError(Exception):
    """Root of all errors raised by trimtab."""


class UsageError(TrimtabError, ValueError):
    """An argument breaks a rule that the message states."""


class DataError(TrimtabError, ValueError):
    """A data file, row or image cannot be used."""


class PromptTooLongError(DataError):
    """A prompt and its answer take more tokens than the model has positions for."""


class MissingImageError(TrimtabError, FileNotFoundError):
    """Images that the items name are not where they should be."""


class UnsupportedModelError(TrimtabError, ValueError):
    """The model's family is unknown, or its self-check at load failed."""


class UnsupportedMethodError(UsageError):
    """A method has nothing to work with on this model, whatever its options; others may."""


class UnsupportedEngineError(TrimtabError, NotImplementedError):
    """The engine lacks a capability that is needed; another engine has it."""


class NotEnoughMemoryError(TrimtabError, MemoryError):
    """A single row does not fit into memory, after everything that can be given up has been."""


class NothingEditedError(TrimtabError, RuntimeError):
    """An edit was applied but touched no position."""


class NotFiniteError(TrimtabError, ArithmeticError):
    """The model computed NaN or infinity.

    Attributes:
        rows: Numbers of the rows concerned, counted from 0.
    """

    def __init__(self, message: str, rows: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.rows = rows


class ArtifactError(TrimtabError, ValueError):
    """A saved artifact is broken, or was made for another model."""


class RunFolderError(TrimtabError, OSError):
    """A run folder cannot be written to, or belongs to another configuration."""


class InUseError(RunFolderError):
    """Somebody else is writing to a folder; it will be free when that ends."""


class MissingDependencyError(TrimtabError, ImportError):
    """An optional package is needed; the message carries the install command."""


class WorkerLostError(TrimtabError, RuntimeError):
    """A worker of a fleet died at a piece of work, and so did each that took its place."""


class ServerError(TrimtabError, ConnectionError):
    """A server is not there, does not let one in, or failed."""
