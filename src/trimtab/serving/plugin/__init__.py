"""The plug-in of vLLM: it is loaded in every process of a server, and does nothing where trimtab did not start it.

vLLM has no place for edits of its own, so a few of its methods are wrapped: where a request comes in, in the
scheduler, in the worker; and two that guard the server. No class of a model is changed.
"""

from __future__ import annotations

from trimtab.serving.settings import Settings

_registered = False


def register() -> None:
    """Put the plug-in in force in this process; vLLM may call it more than once."""
    global _registered
    if _registered or Settings.read() is None:
        return
    _registered = True
    from trimtab.serving.plugin import front, guards, scheduler, worker

    front.install()
    guards.install()
    scheduler.install()
    worker.install()
