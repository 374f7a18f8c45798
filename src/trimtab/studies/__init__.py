"""Experiments as data: protocols, metrics, statistics, and run folders that survive being killed."""

from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.counting import Work, costs, counted
from trimtab.studies.kit.provenance import describe, git_commit, hardware, versions
from trimtab.studies.kit.reading import read_provenance, read_summary
from trimtab.studies.kit.records import ALL_TASKS, records
from trimtab.studies.kit.run_folder import RunFolder, StepResult
from trimtab.studies.kit.statistics import Interval, PairedDifference, bootstrap_mean, holm, paired_difference, wilson
from trimtab.studies.steering.config import read_plan
from trimtab.studies.steering.controls import (
    Control,
    control_rates,
    evaluate_controls,
    joint_controls,
    unimodal_controls,
)
from trimtab.studies.steering.evaluation import Condition, Evaluation, conditions, evaluate
from trimtab.studies.steering.metrics import compare, contribution_rates, oracle_rates, preference_rates, rates
from trimtab.studies.steering.plan import DEMO, FAST, SWEPT, MethodSpec, Plan
from trimtab.studies.steering.protocols import PROTOCOLS, Protocol
from trimtab.studies.steering.run import run_study
from trimtab.studies.steering.summary import SCHEMA_VERSION, summarise

__all__ = [
    "ALL_TASKS",
    "DEMO",
    "FAST",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "SWEPT",
    "Condition",
    "Control",
    "Evaluation",
    "Interval",
    "MethodSpec",
    "PairedDifference",
    "Plan",
    "Protocol",
    "RunFolder",
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
