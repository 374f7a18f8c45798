"""A tiny Qwen2-Audio: sounds of up to 3 seconds, a position for each 40 ms."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, small_tokenizer, text_config

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SECONDS = 3


@builder
def qwen2_audio(layers: int) -> Parts:
    """A Qwen2-Audio."""
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, WhisperFeatureExtractor

    special = ("<|im_start|>", "<|im_end|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")
    tokenizer = small_tokenizer(special, eos="<|im_end|>", pad="<|endoftext|>")
    extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=SECONDS, return_attention_mask=True)
    config = Qwen2AudioConfig(
        text_config=text_config(tokenizer, layers, model_type="qwen2"),
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 64,
            "d_model": 32,
            "max_source_positions": extractor.nb_max_frames // 2,
            "initializer_range": 0.12,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    return Qwen2AudioForConditionalGeneration(config), tokenizer, {"audio": extractor}, TEMPLATE
