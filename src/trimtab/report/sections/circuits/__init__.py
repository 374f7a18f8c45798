"""Sections of the report of a circuits study."""
