"""Reading items: one file per format behind one function."""

from trimtab.items.readers.pocket import item_from_pocket
from trimtab.items.readers.read import files_of, read_items

__all__ = ["files_of", "item_from_pocket", "read_items"]
