"""A tiny thinker of Qwen2.5-Omni: pictures, clips, and sounds of up to 3 seconds, a position for each 40 ms."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, small_tokenizer, text_config
from trimtab.testing.tiny.qwen import QWEN_ROPE, QWEN_TOWER

SPECIAL = (
    *("<|im_start|>", "<|im_end|>", "<|vision_bos|>", "<|vision_eos|>", "<|IMAGE|>", "<|VIDEO|>"),
    *("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"),
)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_bos|><|IMAGE|><|vision_eos|>"
    "{% elif part.type == 'video' %}<|vision_bos|><|VIDEO|><|vision_eos|>"
    "{% elif part.type == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@builder
def qwen2_5_omni_thinker(layers: int) -> Parts:
    """A thinker of Qwen2.5-Omni."""
    from transformers import (
        Qwen2_5OmniThinkerConfig,
        Qwen2_5OmniThinkerForConditionalGeneration,
        WhisperFeatureExtractor,
    )
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from trimtab.models import FAMILIES, as_processor

    tokenizer = small_tokenizer(SPECIAL, eos="<|im_end|>", pad="<|endoftext|>")
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    tower = {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 64}
    config = Qwen2_5OmniThinkerConfig(
        text_config=text_config(tokenizer, layers, rope_parameters=QWEN_ROPE, tie_word_embeddings=False),
        vision_config={**QWEN_TOWER, **tower, "window_size": 56, "fullatt_block_indexes": [1]},
        audio_config={
            "num_mel_bins": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 64,
            "d_model": 32,
            "max_source_positions": 150,
            "n_window": 25,
            "output_dim": 64,
            "initializer_range": 0.12,
        },
        image_token_index=ids["<|IMAGE|>"],
        video_token_index=ids["<|VIDEO|>"],
        audio_token_index=ids["<|AUDIO|>"],
        audio_start_token_id=ids["<|audio_bos|>"],
        audio_end_token_id=ids["<|audio_eos|>"],
        initializer_range=0.12,
    )
    config.vision_start_token_id = ids["<|vision_bos|>"]
    config.vision_end_token_id = ids["<|vision_eos|>"]
    pictures = as_processor(Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": 112 * 112}))
    most = {"size": {"shortest_edge": 28 * 28, "longest_edge": 8 * 112 * 112}}
    processors = {
        "image": pictures,
        "video": FAMILIES[config.model_type].clip_processor(pictures, most),
        "audio": WhisperFeatureExtractor(feature_size=16, chunk_length=3),
    }
    return Qwen2_5OmniThinkerForConditionalGeneration(config), tokenizer, processors, TEMPLATE
