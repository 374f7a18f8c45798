"""Sections of the reports, one file each; ``trimtab.report.registering`` finds them here."""
