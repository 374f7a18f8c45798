"""How much each modality contributes to a model's answer: the Modality Contribution Score and its relatives."""

from trimtab.contribution.ablation import Ablation
from trimtab.contribution.agreeing import Agreement, agreement
from trimtab.contribution.attention_mass import AttentionMass
from trimtab.contribution.balance import Balance, find_balance
from trimtab.contribution.gradient_times_input import GradientTimesInput
from trimtab.contribution.looks import attention_to
from trimtab.contribution.measuring import measure, measure_prompts
from trimtab.contribution.method import Method
from trimtab.contribution.methods import METHODS
from trimtab.contribution.options import DIVERGENCES, MCS, Divergence
from trimtab.contribution.scores import Contribution, Contributions
from trimtab.contribution.shapley import Shapley
from trimtab.contribution.tracing import AnswerTrace, trace, trace_prompt

__all__ = [
    "DIVERGENCES",
    "MCS",
    "METHODS",
    "Ablation",
    "Agreement",
    "AnswerTrace",
    "AttentionMass",
    "Balance",
    "Contribution",
    "Contributions",
    "Divergence",
    "GradientTimesInput",
    "Method",
    "Shapley",
    "agreement",
    "attention_to",
    "find_balance",
    "measure",
    "measure_prompts",
    "trace",
    "trace_prompt",
]
