"""The one door for pictures: whatever holds one becomes an upright, opaque, 8-bit RGB picture, by one set of rules."""

from trimtab.media.decode import suffix_of
from trimtab.media.fields import Pictures
from trimtab.media.held import Held, Made
from trimtab.media.picture import MAX_PIXELS, Picture, picture_key
from trimtab.media.source import PictureSource, Source, check_file, open_picture, unreadable

__all__ = [
    "MAX_PIXELS",
    "Held",
    "Made",
    "Picture",
    "PictureSource",
    "Pictures",
    "Source",
    "check_file",
    "open_picture",
    "picture_key",
    "suffix_of",
    "unreadable",
]
