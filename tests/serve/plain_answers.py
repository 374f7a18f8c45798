"""Prints a server's answers to plain prompts, to the last bit: ``python -m tests.serve.plain_answers FOLDER``.

Whether the plug-in is in force depends on the environment alone.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.serve.environment import IN_ONE_PROCESS

PROMPTS = [[3 + (k * n) % 400 for k in range(20 + 31 * n)] for n in range(1, 6)]
"""Tokens of prompts of unlike lengths, so that parts of some share steps with others' answers."""


def main() -> None:
    """Answer, and print tokens and log-probabilities."""
    os.environ.update(IN_ONE_PROCESS)
    from vllm import LLM, SamplingParams  # pyright: ignore[reportMissingImports]

    llm: Any = LLM(
        model=str(Path(sys.argv[1])),
        dtype="float32",
        enforce_eager=True,
        max_model_len=512,
        max_num_seqs=4,
        max_num_batched_tokens=64,
        kv_cache_memory_bytes=64 << 20,
        seed=0,
    )
    given = SamplingParams(temperature=0, max_tokens=24, logprobs=3, ignore_eos=True)
    found: list[Any] = llm.generate([{"prompt_token_ids": one} for one in PROMPTS], given, use_tqdm=False)
    told = [
        [
            (token, sorted((k, own.logprob.hex()) for k, own in step.items()))
            for token, step in zip(one.outputs[0].token_ids, one.outputs[0].logprobs, strict=True)
        ]
        for one in found
    ]
    hooked = "trimtab.serving.plugin.worker" in sys.modules
    sys.stdout.write("told " + json.dumps({"plug-in": hooked, "answers": told}) + "\n")


if __name__ == "__main__":
    main()
