"""Experiments as data: protocols, metrics, statistics, and run folders that resume after a stop."""

from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.config import read_plan
from trimtab.studies.kit.counting import Work, costs, counted
from trimtab.studies.kit.evaluation import Condition, Evaluation, conditions, evaluate
from trimtab.studies.kit.forecast import Forecast, forecast
from trimtab.studies.kit.metrics import (
    by_modalities,
    compare,
    contribution_rates,
    oracle_rates,
    preference_rates,
    rates,
    seed_rates,
    share_columns,
)
from trimtab.studies.kit.protocols import PROTOCOLS, Protocol
from trimtab.studies.kit.provenance import describe, git_commit, hardware, versions
from trimtab.studies.kit.reading import read_provenance, read_summary
from trimtab.studies.kit.records import ALL_TASKS, records
from trimtab.studies.kit.run_folder import RunFolder, StepResult
from trimtab.studies.kit.running import StepState, list_steps, run_step, run_steps, run_study
from trimtab.studies.kit.spreading import spread_study
from trimtab.studies.kit.statistics import Interval, PairedDifference, bootstrap_mean, holm, paired_difference, wilson
from trimtab.studies.kit.study import KINDS, Outcome, Step, Study, kinds, study_of
from trimtab.studies.steering.asking import evaluate_controls
from trimtab.studies.steering.control_rates import control_rates
from trimtab.studies.steering.controls import (
    Control,
    Controls,
    OwnTexts,
    joint_controls,
    make_controls,
    unimodal_controls,
)
from trimtab.studies.steering.plan import DEMO, FAST, SWEPT, MethodSpec, Plan
from trimtab.studies.steering.study import SteeringStudy
from trimtab.studies.steering.summary import SCHEMA_VERSION, summarise

__all__ = [
    "ALL_TASKS",
    "DEMO",
    "FAST",
    "KINDS",
    "PROTOCOLS",
    "SCHEMA_VERSION",
    "SWEPT",
    "Condition",
    "Control",
    "Controls",
    "Evaluation",
    "Forecast",
    "Interval",
    "MethodSpec",
    "Outcome",
    "OwnTexts",
    "PairedDifference",
    "Plan",
    "Protocol",
    "RunFolder",
    "SteeringStudy",
    "Step",
    "StepResult",
    "StepState",
    "Study",
    "Work",
    "bootstrap_mean",
    "by_modalities",
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
    "forecast",
    "git_commit",
    "hardware",
    "holm",
    "joint_controls",
    "kinds",
    "list_steps",
    "make_controls",
    "oracle_rates",
    "paired_difference",
    "preference_rates",
    "rates",
    "read_plan",
    "read_provenance",
    "read_summary",
    "records",
    "run_step",
    "run_steps",
    "run_study",
    "seed_rates",
    "share_columns",
    "spread_study",
    "study_of",
    "summarise",
    "unimodal_controls",
    "versions",
    "wilson",
]
