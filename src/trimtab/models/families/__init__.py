"""The families that trimtab knows, a file each, found by their place; importing the package registers them."""

from trimtab.registry import import_inside

import_inside(__name__, __path__)
