"""Circuits as a study: plan, resumable steps, summary and the paper's claims."""

from trimtab.studies.circuits.claims import answer_claims
from trimtab.studies.circuits.plan import CircuitsPlan
from trimtab.studies.circuits.study import CircuitsStudy
from trimtab.studies.circuits.verdicts import Claim

__all__ = ["CircuitsPlan", "CircuitsStudy", "Claim", "answer_claims"]
