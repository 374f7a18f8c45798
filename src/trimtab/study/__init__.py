"""Experiments as data: protocols, metrics, statistics, and run folders that survive being killed."""

from trimtab.study.evaluate import Condition, Evaluation, conditions, evaluate
from trimtab.study.metrics import compare, contribution_rates, rates
from trimtab.study.plan import DEMO, FAST, Plan, choose_items
from trimtab.study.progress import Advance, Progress, Silent
from trimtab.study.protocols import PROTOCOLS, Protocol
from trimtab.study.provenance import describe, git_commit, hardware, versions
from trimtab.study.records import ALL_TASKS, records
from trimtab.study.run import read_provenance, read_summary, run_study
from trimtab.study.run_folder import RunFolder, StepResult
from trimtab.study.statistics import Interval, PairedDifference, bootstrap_mean, paired_difference, wilson
from trimtab.study.summary import SCHEMA_VERSION, summarise

__all__ = [
    "ALL_TASKS",
    "DEMO",
    "FAST",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "Advance",
    "Condition",
    "Evaluation",
    "Interval",
    "PairedDifference",
    "Plan",
    "Progress",
    "Protocol",
    "RunFolder",
    "Silent",
    "StepResult",
    "bootstrap_mean",
    "choose_items",
    "compare",
    "conditions",
    "contribution_rates",
    "describe",
    "evaluate",
    "git_commit",
    "hardware",
    "paired_difference",
    "rates",
    "read_provenance",
    "read_summary",
    "records",
    "run_study",
    "summarise",
    "versions",
    "wilson",
]
