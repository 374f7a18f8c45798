"""The command line: one file for each verb."""

from trimtab.cli.program import app, main

__all__ = ["app", "main"]
