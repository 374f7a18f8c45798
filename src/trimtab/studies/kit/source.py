"""Where a study's items come from, beside the name of their source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import UsageError
from trimtab.items import read_items

if TYPE_CHECKING:
    from trimtab.studies.kit.bench import Read


@dataclass(frozen=True, kw_only=True)
class FromFile:
    """What the plans of all kinds say of a file of items.

    Attributes:
        images: The folder that a file's image paths start from; empty for the file's own.
        split: The split of the file whose items to use; empty for all.
        skip_missing: Whether to leave out items whose image is missing.
    """

    images: str = ""
    split: str = ""
    skip_missing: bool = False

    def reader(self) -> Read:
        """Return ``trimtab.read_items`` with all of this.

        Raises:
            UsageError: ``images`` is no folder.
        """
        if self.images and not Path(self.images).is_dir():
            raise UsageError(f"`images` must be an existing folder; got '{self.images}'; check the path.")
        return partial(read_items, split=self.split or None, images=self.images or None, skip_missing=self.skip_missing)
