"""The kinds of media a prompt can show, by modality. A new kind is one file, which registers itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from random import Random
from typing import Any, Literal, Protocol

from trimtab.modalities import Modality
from trimtab.registry import Registry

Spoilt = Literal["blank", "shuffle", "noise"]
"""How what a modality shows is spoilt: made blank, put in another order, or replaced by noise."""


class Medium(Protocol):
    """An opened medium."""

    @property
    def origin(self) -> object:
        """What opens it again: a path, encoded bytes, an object with ``open()``; None if nothing does."""
        ...

    @property
    def stamp(self) -> tuple[int, int] | None:
        """When its file was changed and how long it is; None where there is no file."""
        ...

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        ...


@dataclass(frozen=True)
class MediumKind:
    """How media of one modality are opened, told apart and spoilt.

    Attributes:
        kind: The modality.
        noun: What an error calls one of them.
        medium: The class of an opened one.
        open: Opens whatever holds one, given what an error calls it or None; opened ones are returned as they are.
        fingerprint: Digest of all that a model is shown of it: equal media have equal digests.
        shape: What the number of positions depends on, such as a picture's size.
        encode: Returns one as the bytes of a file that loses nothing and opens as the same medium.
        suffix: The suffix of a file of such bytes, given them and what an error calls the medium.
        example: Makes a small one, always the same, that every model is tried on.
        spoil: By how it is spoilt, what makes of a medium, and of what is random, another one of the same shape.
        in_folder: Whether a folder can hold one, such as a clip's frames.
    """

    kind: Modality
    noun: str
    medium: type
    _: KW_ONLY
    open: Callable[[Any, str | None], Medium]
    fingerprint: Callable[[Any], str]
    shape: Callable[[Any], Hashable]
    encode: Callable[[Any], bytes]
    suffix: Callable[[bytes, str], str]
    example: Callable[[], object]
    spoil: Mapping[Spoilt, Callable[[Any, Random], object]]
    in_folder: bool = False


KINDS: Registry[MediumKind] = Registry("`kind` of a medium", key="kind")
"""Known kinds by modality; text is none."""


def register_kind(kind: MediumKind) -> None:
    """Make a kind known to prompts and models."""
    KINDS.register(kind)


def medium_kind(kind: str) -> MediumKind:
    """Return a kind by the name of its modality.

    Raises:
        UsageError: There is none of that name.
    """
    return KINDS.named(kind)


def open_medium(kind: str, source: object, name: str | None = None) -> Medium:
    """Open whatever holds a medium, such as a ``Picture``, a ``Sound`` or a ``Clip``, by one set of rules each.

    Args:
        kind: The modality: one that is shown, such as ``image``.
        source: What the kind opens: see ``open_picture``, ``open_sound`` and ``open_clip``.
        name: What an error calls it; left out, its path or form.

    Raises:
        UsageError: There is no such kind, or it is nothing that holds such a medium.
        MissingImageError: There is no file of that path.
        DataError: It is corrupt, too large, or of a form that cannot be shown.
    """
    return medium_kind(kind).open(source, name)
