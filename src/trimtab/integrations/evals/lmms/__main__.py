"""Print the folder of trimtab's tasks, for lmms-eval's ``--include_path``."""

import sys

from trimtab.integrations.evals.lmms import TASKS

sys.stdout.write(f"{TASKS}\n")
