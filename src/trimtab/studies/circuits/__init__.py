"""Circuits as a study: plan, resumable steps, summary and the paper's claims."""

from trimtab.studies.circuits.claims import Claim, answer_claims
from trimtab.studies.circuits.plan import CircuitsPlan
from trimtab.studies.circuits.run import read_circuits, run_circuits

__all__ = ["CircuitsPlan", "Claim", "answer_claims", "read_circuits", "run_circuits"]
