"""trimtab inside programs that evaluate models: lmms-eval (``lmms``) and inspect_ai (``inspect``)."""
