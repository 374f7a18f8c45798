"""What a result was made with."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trimtab.engine import ModelOrEngine, engine_of
from trimtab.made_with import source_digest
from trimtab.models import Model

PACKAGES = ("trimtab", "torch", "transformers", "numpy", "scipy", "pandas", "pillow")

DECISIVE = ("trimtab", "torch", "transformers", "numpy", "pillow")
"""Packages that must be the same for steps to belong to one run: they compute, or open the pictures."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def made_with() -> dict[str, str]:
    """Return what computes a step: the decisive versions, and a digest of trimtab's own source."""
    found = versions()
    return {**{name: found[name] for name in DECISIVE}, "source": source_digest()}


def hardware(models: Iterable[Model] = ()) -> dict[str, Any]:
    """Return the machine, and the devices that models are on; without models, the one they would be put on."""
    import psutil
    import torch

    default = "cuda" if torch.cuda.is_available() else "cpu"
    found = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "devices": sorted({engine_of(model).device for model in models}) or [default],
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def describe(model: ModelOrEngine) -> dict[str, Any]:
    """Return what identifies a model and its sizes."""
    engine = engine_of(model)
    return {
        "fingerprint": model.fingerprint,
        "family": engine.family_name,
        "layers": model.n_layers,
        "heads": model.n_heads,
        "hidden_size": model.hidden_size,
        "parameters": engine.n_parameters,
        "dtype": engine.precision,
    }


def computed_in(models: Iterable[Model]) -> dict[str, str]:
    """Return the number type and the kind of device of each model: other ones give other last digits."""
    engines = (engine_of(model) for model in models)
    return {engine.name: f"{engine.precision} on {engine.device.split(':')[0]}" for engine in engines}


def git_commit() -> str | None:
    """Return the commit of the source tree trimtab runs from, with ``+`` if it is changed; None outside of one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if not git("ls-files", "--error-unmatch", Path(__file__).name):
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None
