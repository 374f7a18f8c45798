"""Figures, tables and one self-contained page out of a run folder."""

from trimtab.report.dispatch import has_report, write_report
from trimtab.report.measured import ratio_figure, trace_figure, write_measured
from trimtab.report.sheet import sample_sheet
from trimtab.report.tables import following_tables, paired_table
from trimtab.report.words import amps_against_l2s, headline, verdicts

__all__ = [
    "amps_against_l2s",
    "following_tables",
    "has_report",
    "headline",
    "paired_table",
    "ratio_figure",
    "sample_sheet",
    "trace_figure",
    "verdicts",
    "write_measured",
    "write_report",
]
