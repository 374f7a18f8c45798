"""Try every claim of trimtab on a model of a family: ``try_model(model)``; what authors of families run on theirs."""

from trimtab.testing.conformance.matrix import Matrix, run_file, try_families, try_model
from trimtab.testing.conformance.outcomes import JOBS, Job, NotApplicableError, Outcome, job, try_job
from trimtab.testing.conformance.page import read_page, write_page
from trimtab.testing.conformance.subject import Maker, Subject

__all__ = [
    "JOBS",
    "Job",
    "Maker",
    "Matrix",
    "NotApplicableError",
    "Outcome",
    "Subject",
    "job",
    "read_page",
    "run_file",
    "try_families",
    "try_job",
    "try_model",
    "write_page",
]
