"""The jobs, a file a group, found by its place; each is a function of a ``Subject`` that raises if its claim fails."""

from trimtab.registry import import_inside

import_inside(__name__, __path__)
