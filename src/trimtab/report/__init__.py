"""Figures, tables and one self-contained page out of a run folder."""

from trimtab.report.dispatch import write_any_report
from trimtab.report.measured import ratio_figure, trace_figure, write_measured
from trimtab.report.page import write_report
from trimtab.report.sheet import sample_sheet
from trimtab.report.tables import following_tables, paired_table
from trimtab.report.words import amps_against_l2s, headline, verdicts

__all__ = [
    "amps_against_l2s",
    "following_tables",
    "headline",
    "paired_table",
    "ratio_figure",
    "sample_sheet",
    "trace_figure",
    "verdicts",
    "write_any_report",
    "write_measured",
    "write_report",
]
