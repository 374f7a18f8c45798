"""A tiny PaliGemma 2: sixteen positions a picture, every other layer with a window of 24 tokens, capped scores."""

from __future__ import annotations

import torch

from trimtab.testing.tiny.parts import Parts, builder, small_tokenizer, text_config, tower_config


@builder
def paligemma(layers: int) -> Parts:
    """A PaliGemma with the decoder of Gemma 2."""
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    from trimtab.models import FAMILIES

    tokenizer = small_tokenizer(("<image>", "<bos>"), eos="<eos>", pad="<pad>")
    tokenizer.bos_token = "<bos>"
    config = PaliGemmaConfig(
        text_config=text_config(
            tokenizer,
            layers,
            model_type="gemma2",
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=24,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=3.0,
            bos_token_id=tokenizer.bos_token_id,
        ),
        vision_config=tower_config(
            model_type="siglip_vision_model", image_size=28, patch_size=7, vision_use_head=False
        ),
        projection_dim=64,
        hidden_size=64,
        vocab_size=len(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = SiglipImageProcessorPil(size={"height": 28, "width": 28}, image_seq_length=16)
    model = PaliGemmaForConditionalGeneration._from_config(config, attn_implementation="eager")
    for name, weight in model.named_parameters():
        if "norm" in name and "vision_tower" not in name:
            torch.nn.init.normal_(weight, std=0.3)  # else 1 + weight is 1
    return model, tokenizer, processor, FAMILIES["paligemma"].template() or ""
