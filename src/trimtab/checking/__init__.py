"""``trimtab check``: does every job work on a model, how long does it take, and does it fit in memory?"""

from trimtab.checking.check import Checked, check_model
from trimtab.checking.jobs import JOBS, Job
from trimtab.checking.prompts import PromptSizes
from trimtab.checking.trial import JobCheck, Trial, reason_of

__all__ = [
    "JOBS",
    "Checked",
    "Job",
    "JobCheck",
    "PromptSizes",
    "Trial",
    "check_model",
    "reason_of",
]
