"""AMPS's own numbers (arXiv 2602.12533, Table 2), to stand beside a study's.

Rates in percent over all tasks, of the target modality. Three of the printed totals are not the mean of their cells
and are given as the cells say, all of Qwen2.5-VL-7B: without steering 40.95 for 42.0 and 58.70 for 57.6, and AMPS
toward the text 79.98 for 80.2.
"""

from __future__ import annotations

from typing import NamedTuple

ORDER = ("instruction", "mean", "l2s", "amps")
"""The order of following rates in AMPS's Table 1, lowest first."""

COLUMNS = ("none", "l2s", "amps")
"""Methods of its Table 2."""


class PaperRow(NamedTuple):
    """One model of AMPS's Table 2: percent that follow the target under no steering, L2S and AMPS."""

    model: str
    target: str
    none: float
    l2s: float
    amps: float


TABLE_2 = (
    PaperRow("LLaVA-1.5-7B", "image", 14.2, 16.05, 22.35),
    PaperRow("LLaVA-1.5-13B", "image", 12.7, 19.5, 49.65),
    PaperRow("Qwen2.5-VL-3B", "image", 33.55, 39.1, 46.6),
    PaperRow("Qwen2.5-VL-7B", "image", 40.95, 54.0, 73.0),
    PaperRow("LLaVA-1.5-7B", "text", 82.85, 84.05, 85.75),
    PaperRow("LLaVA-1.5-13B", "text", 85.2, 89.1, 89.5),
    PaperRow("Qwen2.5-VL-3B", "text", 66.45, 72.45, 79.35),
    PaperRow("Qwen2.5-VL-7B", "text", 58.70, 78.7, 79.98),
)
