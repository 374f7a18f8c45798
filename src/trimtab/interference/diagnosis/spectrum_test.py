"""Which of text, image and their interaction a benchmark needs: the data spectrum test (arXiv 2509.23499)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from trimtab.engine import ModelOrEngine
from trimtab.interference.diagnosis.config import DiagnosisConfig
from trimtab.interference.diagnosis.diagnosis import Diagnosis, diagnose
from trimtab.items import Item
from trimtab.progress import SILENT, Progress

SPECTRUM = ("shuffled_image", "shuffled_text", "shuffled_image+shuffled_text")
"""Only the text helps; only the image helps; only the options do."""


def spectrum(
    model: ModelOrEngine,
    items: Iterable[Item],
    config: DiagnosisConfig | None = None,
    *,
    progress: Progress = SILENT,
) -> Diagnosis:
    """Ask items that need both modalities with the picture, the question, or both of another item.

    Each condition's accuracy beside that of both shuffled, which is what the options alone give, says what one modality
    adds; what the clean condition has over all of them is the interaction.

    Args:
        model: The model.
        items: Items with options, whose clean view shows a picture.
        config: Scoring, ways and seed; its conditions are replaced by the spectrum's.
        progress: Told of items as they finish.

    Raises:
        UsageError: No item can be asked, or too many have the same content to be shuffled.
    """
    return diagnose(model, items, replace(config or DiagnosisConfig(), conditions=SPECTRUM), progress=progress)
