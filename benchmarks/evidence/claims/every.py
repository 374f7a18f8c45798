"""All rows of the page, in its order."""

from benchmarks.evidence.claims.amps import AMPS
from benchmarks.evidence.claims.audit import AUDIT
from benchmarks.evidence.claims.instruction_anchor import INSTRUCTION_ANCHOR
from benchmarks.evidence.claims.mc2 import MC2
from benchmarks.evidence.claims.modality_interference import MODALITY_INTERFERENCE
from benchmarks.evidence.claims.ours import OURS
from benchmarks.evidence.claims.patching import PATCHING
from benchmarks.evidence.claims.reviewers import REVIEWERS

GROUPS = (AMPS, MC2, INSTRUCTION_ANCHOR, PATCHING, MODALITY_INTERFERENCE, REVIEWERS, AUDIT, OURS)
