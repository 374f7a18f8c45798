"""Experiments as data: protocols, metrics, statistics, and run folders that survive being killed."""

from trimtab.study.config import read_plan
from trimtab.study.controls import (
    Control,
    control_rates,
    evaluate_controls,
    joint_controls,
    unimodal_controls,
)
from trimtab.study.counting import Work, costs, counted
from trimtab.study.evaluate import Condition, Evaluation, conditions, evaluate
from trimtab.study.metrics import compare, contribution_rates, oracle_rates, preference_rates, rates
from trimtab.study.plan import DEMO, FAST, SWEPT, MethodSpec, Plan, choose_items
from trimtab.study.progress import Advance, Progress, Silent
from trimtab.study.protocols import PROTOCOLS, Protocol
from trimtab.study.provenance import describe, git_commit, hardware, versions
from trimtab.study.reading import read_provenance, read_summary
from trimtab.study.records import ALL_TASKS, records
from trimtab.study.run import run_study
from trimtab.study.run_folder import RunFolder, StepResult
from trimtab.study.statistics import Interval, PairedDifference, bootstrap_mean, holm, paired_difference, wilson
from trimtab.study.summary import SCHEMA_VERSION, summarise

__all__ = [
    "ALL_TASKS",
    "DEMO",
    "FAST",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "SWEPT",
    "Advance",
    "Condition",
    "Control",
    "Evaluation",
    "Interval",
    "MethodSpec",
    "PairedDifference",
    "Plan",
    "Progress",
    "Protocol",
    "RunFolder",
    "Silent",
    "StepResult",
    "Work",
    "bootstrap_mean",
    "choose_items",
    "compare",
    "conditions",
    "contribution_rates",
    "control_rates",
    "costs",
    "counted",
    "describe",
    "evaluate",
    "evaluate_controls",
    "git_commit",
    "hardware",
    "holm",
    "joint_controls",
    "oracle_rates",
    "paired_difference",
    "preference_rates",
    "rates",
    "read_plan",
    "read_provenance",
    "read_summary",
    "records",
    "run_study",
    "summarise",
    "unimodal_controls",
    "versions",
    "wilson",
]
