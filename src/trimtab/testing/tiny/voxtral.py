"""A tiny Voxtral: sounds in pieces of a second, each of 25 positions."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, small_tokenizer, text_config


@builder
def voxtral(layers: int) -> Parts:
    """A Voxtral."""
    from transformers import VoxtralConfig, VoxtralForConditionalGeneration, WhisperFeatureExtractor

    from trimtab.models import FAMILIES

    tokenizer = small_tokenizer(("<s>", "[INST]", "[/INST]", "[AUDIO]", "[BEGIN_AUDIO]"), eos="</s>", pad="<pad>")
    extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    config = VoxtralConfig(
        text_config=text_config(tokenizer, layers, model_type="llama", head_dim=16),
        audio_config={
            "model_type": "voxtral_encoder",
            "num_mel_bins": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "max_source_positions": extractor.nb_max_frames // 2,
            "initializer_range": 0.12,
        },
        audio_token_id=tokenizer.convert_tokens_to_ids("[AUDIO]"),
    )
    template = FAMILIES["voxtral"].template() or ""
    return VoxtralForConditionalGeneration(config), tokenizer, {"audio": extractor}, template
