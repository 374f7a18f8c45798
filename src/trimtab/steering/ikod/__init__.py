"""IKOD: decodes along with the same prompt whose text is merged into the tokens that look at the target."""

from trimtab.steering.ikod.method import IKOD, MergeChooser

__all__ = ["IKOD", "MergeChooser"]
