"""A checkpoint's ``generation_config``: its end tokens are followed, its ways of decoding are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from trimtab.errors import UsageError
from trimtab.models.hugging_face import Configuration, HuggingFaceModel
from trimtab.models.source import Source

if TYPE_CHECKING:
    from transformers import PretrainedConfig

SETTINGS = frozenset(
    {
        "do_sample",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "typical_p",
        "epsilon_cutoff",
        "eta_cutoff",
        "repetition_penalty",
        "encoder_repetition_penalty",
        "length_penalty",
        "no_repeat_ngram_size",
        "num_beams",
        "num_beam_groups",
        "diversity_penalty",
        "penalty_alpha",
        "guidance_scale",
        "bad_words_ids",
        "suppress_tokens",
        "begin_suppress_tokens",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "sequence_bias",
        "min_length",
        "min_new_tokens",
        "prompt_lookup_num_tokens",
        "cache_implementation",
    }
)
"""What a checkpoint may say of decoding that would change an answer."""
ONE_IS_NEUTRAL = frozenset(
    {
        "temperature",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "encoder_repetition_penalty",
        "length_penalty",
        "num_beams",
        "num_beam_groups",
        "guidance_scale",
    }
)
"""Those of them that change nothing where they are 1."""


def overridden(hf: HuggingFaceModel) -> dict[str, Any]:
    """Return the decoding settings that a model's ``generation_config`` states and trimtab does not follow."""
    config = getattr(hf, "generation_config", None)
    if config is None:
        return {}
    stated = sorted(config.to_diff_dict().items())
    return {name: value for name, value in stated if name in SETTINGS and not _is_neutral(name, value)}


def _is_neutral(name: str, value: object) -> bool:
    return value is None or value is False or (name in ONE_IS_NEUTRAL and value == 1)


def read_generation_config(source: Source, config: Configuration) -> tuple[Any, tuple[str, ...]]:
    """Read the checkpoint's ``generation_config.json``, or make one of the configuration where that is broken.

    Returns:
        None where transformers can read the file or there is none, otherwise what to use in its place; and a note on
        what was wrong.
    """
    from transformers import GenerationConfig

    try:
        held = source.json("generation_config.json")
        if held is not None:
            ends = GenerationConfig.from_dict(held).eos_token_id
            if not all(isinstance(end, int) for end in (ends if isinstance(ends, list) else [ends or 0])):
                raise ValueError(f"eos_token_id is {ends!r}")
        return None, ()
    except (UsageError, ValueError, TypeError, AttributeError) as error:
        note = f"generation_config.json is broken and was left out ({error}); end tokens are those of config.json."
        return GenerationConfig.from_model_config(cast("PretrainedConfig", config)), (note,)
