"""How much each modality contributes to a model's answer: the Modality Contribution Score and its relatives."""

import inspect
import sys
from types import ModuleType
from typing import Any

from trimtab.contribution.ablation import Ablation
from trimtab.contribution.agreement import Agreement, agreement
from trimtab.contribution.attention_mass import AttentionMass
from trimtab.contribution.config import DIVERGENCES, ContributionConfig, Divergence
from trimtab.contribution.gradient_times_input import GradientTimesInput
from trimtab.contribution.measure import contribution
from trimtab.contribution.method import Method
from trimtab.contribution.methods import METHODS
from trimtab.contribution.scores import Contribution, Contributions
from trimtab.contribution.shapley import Shapley
from trimtab.contribution.trace import AnswerTrace, trace

__all__ = [
    "DIVERGENCES",
    "METHODS",
    "Ablation",
    "Agreement",
    "AnswerTrace",
    "AttentionMass",
    "Contribution",
    "ContributionConfig",
    "Contributions",
    "Divergence",
    "GradientTimesInput",
    "Method",
    "Shapley",
    "agreement",
    "contribution",
    "trace",
]


class _CallablePackage(ModuleType):
    """Makes ``trimtab.contribution(model, items)`` work although importing this package binds that name to it.

    Tools that show what can be called find the function's signature and its description.
    """

    __signature__ = inspect.signature(contribution)

    def __call__(self, *args: Any, **kwargs: Any) -> Contributions:
        return contribution(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
__doc__ = f"{__doc__}\n\ncontribution{inspect.signature(contribution)}\n\n{inspect.getdoc(contribution)}"
