"""Sections of the report of an interference study."""
