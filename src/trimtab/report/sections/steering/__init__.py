"""Sections of the report of a steering study."""
