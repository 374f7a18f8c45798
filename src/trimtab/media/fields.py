"""Dataclass fields that take media in any form, open them to see that they are sound, and hold little of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL.Image import Image

from trimtab.errors import UsageError
from trimtab.media.held import Held
from trimtab.media.kinds import KINDS, Medium, open_medium
from trimtab.media.source import PictureSource
from trimtab.modalities import SHOWN, Modality

_STORE = "_media"
"""Where a prompt keeps what it shows: a tuple of held media for each modality."""


class Shown(Mapping[Modality, tuple[Any, ...]]):
    """What a prompt shows: opened media in order, by modality; only modalities of which it shows something."""

    def __init__(self, held: Mapping[Modality, tuple[Held[Medium], ...]]) -> None:
        """Take held media."""
        self._held: dict[Modality, tuple[Held[Medium], ...]] = {kind: held[kind] for kind in SHOWN if held.get(kind)}

    def __getitem__(self, kind: Modality) -> tuple[Any, ...]:
        return tuple(held.open() for held in self._held[kind])

    def __iter__(self) -> Iterator[Modality]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    # A field's default must not be mutable, and this is how dataclasses tell.
    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return repr({kind: len(held) for kind, held in self._held.items()})

    def replaced(self, kind: Modality, media: object) -> Shown:
        """The same with other media of one modality."""
        return Shown({**self._held, kind: _held(kind, media)})

    @property
    def beside_images(self) -> dict[Modality, tuple[Held[Medium], ...]]:
        """Held media of the other modalities."""
        return {kind: held for kind, held in self._held.items() if kind != "image"}


class Pictures:
    """The ``images`` of a prompt: set to one picture or several in any form, read as a tuple of opened pictures."""

    def __get__(self, owner: object, kind: type) -> tuple[Image, ...]:
        """The pictures; those of the class are the field's default."""
        opened = [] if owner is None else [held.open() for held in _store(owner).get("image", ())]
        return tuple(picture for picture in opened if isinstance(picture, Image))

    def __set__(self, owner: object, value: PictureSource | Sequence[PictureSource] | None) -> None:
        """Open what is given."""
        _store(owner)["image"] = _held("image", value)


class Media:
    """The ``media`` of a prompt: set to media in any form by modality, read as opened ones; ``images`` among them.

    It is set after ``images``. What was read off another prompt says nothing of pictures, so that a copy of a prompt
    with other ``images`` shows those.
    """

    def __get__(self, owner: object, kind: type) -> Shown:
        """The media; those of the class are the field's default."""
        return Shown({} if owner is None else _store(owner))

    def __set__(self, owner: object, value: Mapping[Any, Any]) -> None:
        """Open what is given."""
        store = _store(owner)
        if isinstance(value, Shown):
            store.update(value.beside_images)
            return
        if not isinstance(value, Mapping) or not set(value) <= set(KINDS):
            got = ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
            raise UsageError(f"`media` of Prompt must map modalities ({', '.join(KINDS)}) to media; got {got}.")
        if value.get("image") and store.get("image"):
            raise UsageError("`media` of Prompt must not hold images beside `images`; got both; give them once.")
        store.update({kind: _held(kind, media) for kind, media in value.items()})


def _store(owner: object) -> dict[Modality, tuple[Held[Medium], ...]]:
    # A frozen dataclass sets its fields past its own __setattr__, and so does this.
    return owner.__dict__.setdefault(_STORE, {})


def _held(kind: Modality, value: object) -> tuple[Held[Medium], ...]:
    several = value if isinstance(value, list | tuple) else () if value is None else (value,)
    return tuple(Held(open_medium(kind, each), kind) for each in several)
