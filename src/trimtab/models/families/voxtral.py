"""Voxtral: Whisper's encoder on pieces of 30 seconds, four states to a position, Llama text model."""

from __future__ import annotations

from trimtab.media import Sound
from trimtab.models.families.hearing import Hearing, features_of
from trimtab.models.family import register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor

PROMPT = (
    "<s>{% for message in messages %}{% if message.role == 'user' %}[INST]{% endif %}"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'audio' %}[BEGIN_AUDIO][AUDIO]{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "{% if message.role == 'user' %}[/INST]{% else %}</s>{% endif %}{% endfor %}"
)
"""What mistral-common writes; checkpoints have no template."""


class Voxtral(Hearing):
    """Parts of ``VoxtralForConditionalGeneration``."""

    name = "voxtral"
    checkpoints = ("mistralai/Voxtral-Mini-3B-2507", "mistralai/Voxtral-Small-24B-2507")

    def template(self) -> str | None:
        """One for checkpoints, which have none."""
        return PROMPT

    def show_audio(self, hf: HuggingFaceModel, processor: Processor, sound: Sound, key: str) -> MediaInput:
        """Features of a sound of any length in pieces of equal length; silence fills the last, and takes positions."""
        length, config = processor.n_samples, hf.config.audio_config
        given = features_of(processor, sound, padding=True, truncation=False, pad_to_multiple_of=length)
        pieces = given["input_features"][0].unflatten(-1, (-1, processor.nb_max_frames)).transpose(0, 1).contiguous()
        joined = config.intermediate_size // config.hidden_size  # states that the projector takes as one
        return MediaInput("audio", {"input_features": pieces}, len(pieces) * config.max_source_positions // joined, key)


register(Voxtral())
