"""A tiny Mistral 3: pictures of up to 5 rows and columns of positions."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config


@builder
def mistral3(layers: int) -> Parts:
    """A Mistral 3 with Pixtral's tower."""
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration
    from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

    tokenizer = small_tokenizer(("[IMG]", "[IMG_BREAK]", "[IMG_END]"), eos="</s>", pad="<pad>")
    config = Mistral3Config(
        text_config=text_config(tokenizer, layers, model_type="mistral", head_dim=16, sliding_window=None),
        vision_config=tower_config(model_type="pixtral", head_dim=16, image_size=70, patch_size=7),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    processor = PixtralImageProcessorPil(size={"longest_edge": 70}, patch_size={"height": 7, "width": 7})
    return Mistral3ForConditionalGeneration(config), tokenizer, processor, plain_template("[IMG]")
