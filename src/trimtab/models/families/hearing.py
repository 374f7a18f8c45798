"""What families that hear have in common: an encoder like Whisper's, and its features of sounds."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from trimtab.errors import DataError
from trimtab.media import Sound
from trimtab.modalities import Modality
from trimtab.models.family import Family
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor


class Hearing(Family):
    """Parts and features of models that are shown sounds."""

    processors: Mapping[Modality, str] = {"audio": "WhisperFeatureExtractor"}
    least_positions = 1
    """Fewest positions that a sound may take."""

    def placeholders(self, hf: HuggingFaceModel) -> dict[Modality, int]:
        """The token of a position of sound."""
        return {"audio": hf.config.audio_token_id}

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The encoder of sounds."""
        return hf.model.audio_tower

    def show_audio(self, hf: HuggingFaceModel, processor: Processor, sound: Sound, key: str) -> MediaInput:
        """Features of a sound, filled up with silence, and which of them are sound; positions stand for those alone."""
        return heard(hf, processor, sound, key, self.least_positions)


def heard(hf: HuggingFaceModel, extractor: Processor, sound: Sound, key: str, least: int = 1) -> MediaInput:
    """Return a sound's features, filled up with silence, and which of them are sound; positions stand for those alone.

    Args:
        hf: The model.
        extractor: Its feature extractor.
        sound: The sound.
        key: Its digest.
        least: Fewest positions that it may take.

    Raises:
        DataError: The sound is longer than the model hears at once, or too short to be heard.
    """
    given = features_of(extractor, sound, padding="max_length", return_attention_mask=True)
    mask = given["attention_mask"]
    n_tokens = int(hf.model.audio_tower._get_feat_extract_output_lengths(mask.sum(-1))[1])
    if n_tokens < least:
        raise DataError(f"a sound of {sound.seconds:.3f} s is too short for the model to hear; lengthen it.")
    tensors = {"input_features": given["input_features"], "feature_attention_mask": mask}
    return MediaInput("audio", tensors, n_tokens, key)


def features_of(extractor: Processor, sound: Sound, **options: object) -> Mapping[str, Tensor]:
    """Return what a feature extractor makes of one sound, which it would cut silently where it is too long.

    Args:
        extractor: The feature extractor.
        sound: The sound, at any rate.
        options: What else its call is given; ``truncation=False`` for models that take sounds of any length.

    Raises:
        DataError: The sound is longer than the extractor takes.
    """
    most = extractor.n_samples / extractor.sampling_rate
    if sound.seconds > most and options.get("truncation", True):
        raise DataError(f"a sound of {sound.seconds:.2f} s is longer than the {most:g} s that the model hears; cut it.")
    samples = sound.at_rate(extractor.sampling_rate).samples
    return extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt", **options)
