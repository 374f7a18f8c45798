"""The command line: one file for each verb."""

from trimtab.cli.app import app, main

__all__ = ["app", "main"]
