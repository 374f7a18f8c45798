"""The plug-in of inspect_ai: ``--model trimtab/NAME`` and the task ``trimtab/conflict``.

inspect_ai finds ``registry`` by its entry point.
"""
