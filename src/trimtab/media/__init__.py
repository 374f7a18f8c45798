"""Opens pictures, sounds and clips from files, bytes, arrays and other objects, by one set of rules for each kind.

A new kind is a file here, found by its place, beside the entry of its modality in ``trimtab.modalities``.
"""

from trimtab.media.clip import Clip, open_clip
from trimtab.media.decode import suffix_of
from trimtab.media.fields import Media, Pictures, Shown
from trimtab.media.held import Held, Made
from trimtab.media.kinds import KINDS, Medium, MediumKind, Spoilt, medium_kind, open_medium, register_kind
from trimtab.media.picture import MAX_PIXELS, Picture, picture_key
from trimtab.media.sound import Sound, open_sound
from trimtab.media.source import PictureSource, Source, check_file, open_picture, unreadable
from trimtab.registry import import_inside

import_inside(__name__, __path__)

__all__ = [
    "KINDS",
    "MAX_PIXELS",
    "Clip",
    "Held",
    "Made",
    "Media",
    "Medium",
    "MediumKind",
    "Picture",
    "PictureSource",
    "Pictures",
    "Shown",
    "Sound",
    "Source",
    "Spoilt",
    "check_file",
    "medium_kind",
    "open_clip",
    "open_medium",
    "open_picture",
    "open_sound",
    "picture_key",
    "register_kind",
    "suffix_of",
    "unreadable",
]
