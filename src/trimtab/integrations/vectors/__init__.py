"""Steering vectors of other tools, and for them; a format is a file in ``formats/``."""

from trimtab.integrations.vectors import formats  # noqa: F401  (importing formats registers them)
from trimtab.integrations.vectors.exporting import Exported, export_vectors
from trimtab.integrations.vectors.format import FORMATS, Format
from trimtab.integrations.vectors.importing import import_vectors
from trimtab.integrations.vectors.page import formats_table

__all__ = ["FORMATS", "Exported", "Format", "export_vectors", "formats_table", "import_vectors"]
