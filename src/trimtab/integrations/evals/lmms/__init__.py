"""The plug-in of lmms-eval: ``--model trimtab``, and tasks in the folder ``tasks``.

lmms-eval finds ``manifests`` by its entry point; ``python -m trimtab.integrations.evals.lmms`` prints where the tasks
are.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

from pathlib import Path
from typing import Any

TASKS = Path(__file__).parent / "tasks"
"""The folder that ``--include_path`` takes."""


def manifests() -> list[Any]:
    """Return what lmms-eval is told of trimtab's model."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return [ModelManifest(model_id="trimtab", simple_class_path=f"{__name__}.model.Trimtab")]
