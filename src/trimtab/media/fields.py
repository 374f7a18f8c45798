"""A dataclass field that takes pictures in any form, opens them to see that they are sound, and holds few pixels."""

from __future__ import annotations

from typing import Any

from PIL.Image import Image

from trimtab.media.held import Held
from trimtab.media.source import PictureSource, open_picture


class Pictures:
    """The ``images`` of a prompt: set to one picture or several in any form, read as a tuple of opened pictures."""

    def __get__(self, owner: Any, kind: type) -> tuple[Image, ...]:
        """The pictures; those of the class are the field's default."""
        return () if owner is None else tuple(held.open() for held in owner.__dict__["images"])

    def __set__(self, owner: Any, value: PictureSource | list[Any] | tuple[Any, ...] | None) -> None:
        """Open what is given."""
        several = value if isinstance(value, list | tuple) else () if value is None else (value,)
        # A frozen dataclass sets its fields past its own __setattr__, and so does this.
        owner.__dict__["images"] = tuple(Held(open_picture(each)) for each in several)
