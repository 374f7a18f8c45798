"""Runs vLLM's own server: ``python -m trimtab.serving.server``, which ``trimtab serve`` becomes.

Its arguments are those of ``vllm serve``. Keys come by the environment, and are put into vLLM's arguments here, inside
the process.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import os
import shutil
import sys

from trimtab.serving.launching import API_KEY, OPERATOR_KEY, OWN_FILES


def main() -> None:
    """Serve until told to stop, and remove the server's own files."""
    key, operators = os.environ.get(API_KEY), os.environ.get(OPERATOR_KEY)
    # vLLM asks for a key if it has one: operators need no second one.
    keys = ["--api-key", key, *([operators] if operators else [])] if key else []
    sys.argv = ["vllm", "serve", *sys.argv[1:], *keys]
    try:
        from vllm.entrypoints.cli.main import main as vllm

        vllm()
    finally:
        if os.environ.get(OWN_FILES):
            shutil.rmtree(os.environ[OWN_FILES], ignore_errors=True)


if __name__ == "__main__":
    main()
