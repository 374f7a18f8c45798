"""Sections of the reports, one file each; ``trimtab.report.section`` finds them here."""
