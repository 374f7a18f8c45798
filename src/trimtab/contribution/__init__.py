"""How much each modality contributes to a model's answer: the Modality Contribution Score."""

import sys
from types import ModuleType
from typing import Any

from trimtab.contribution.config import DIVERGENCES, ContributionConfig, Divergence
from trimtab.contribution.measure import contribution
from trimtab.contribution.scores import Contribution, Contributions

__all__ = [
    "DIVERGENCES",
    "Contribution",
    "ContributionConfig",
    "Contributions",
    "Divergence",
    "contribution",
]


class _CallablePackage(ModuleType):
    """Makes ``trimtab.contribution(model, items)`` work although importing this package binds that name to it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Contributions:
        return contribution(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
