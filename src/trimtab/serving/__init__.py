"""Steered serving: edits for each request of a vLLM server, as a plug-in of vLLM's own.

Nothing here but ``plugin`` and ``server`` needs vLLM: what a request may ask (``wire``), what artifacts are offered
(``offers``, ``bank``), which rows of a batch get what (``rows``), and the tensors that do it (``table``, ``steerer``).
"""

from trimtab.serving.bank import Bank
from trimtab.serving.facts import ServedModel
from trimtab.serving.offers import Offer
from trimtab.serving.wire import Wanted, read_wanted

__all__ = ["Bank", "Offer", "ServedModel", "Wanted", "read_wanted"]
