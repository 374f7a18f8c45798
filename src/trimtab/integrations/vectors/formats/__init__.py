"""Formats of other tools, a file each, found by their place."""

from trimtab.registry import import_inside

import_inside(__name__, __path__)
