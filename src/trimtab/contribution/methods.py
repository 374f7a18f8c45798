"""Every method of measuring contributions, by name. A new one is one file and one line here."""

from __future__ import annotations

from trimtab.contribution.ablation import Ablation
from trimtab.contribution.attention_mass import AttentionMass
from trimtab.contribution.gradient_times_input import GradientTimesInput
from trimtab.contribution.method import Method
from trimtab.contribution.options import MCS
from trimtab.contribution.shapley import Shapley
from trimtab.registry import Registry

METHODS: Registry[type[Method]] = Registry("`method` of measure")

for _method in (MCS, Shapley, AttentionMass, Ablation, GradientTimesInput):
    METHODS.register(_method)
