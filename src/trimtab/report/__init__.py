"""Makes figures, tables and one self-contained HTML page from a run folder."""

from trimtab.report.measured import ratio_figure, trace_figure
from trimtab.report.page import write_report
from trimtab.report.registering import Run, has_report, section
from trimtab.report.sheet import sample_sheet
from trimtab.report.tables import following_tables, paired_table
from trimtab.report.words import headline, pair_verdict, verdicts

__all__ = [
    "Run",
    "following_tables",
    "has_report",
    "headline",
    "pair_verdict",
    "paired_table",
    "ratio_figure",
    "sample_sheet",
    "section",
    "trace_figure",
    "verdicts",
    "write_report",
]
