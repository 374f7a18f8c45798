"""``wrap``: the user's own Hugging Face model and processor, as they are, for everything that trimtab does."""

from __future__ import annotations

from typing import cast

from torch import nn

from trimtab.errors import UsageError
from trimtab.models.checkpoint import family_of
from trimtab.models.hugging_face import FastTokenizer, HuggingFaceModel
from trimtab.models.loading import from_parts
from trimtab.models.model import Model
from trimtab.models.parts import suitable_template
from trimtab.models.processors import reopened_processors


def wrap(hf: nn.Module, processor: object, *, name: str | None = None, check: bool = True) -> Model:
    """Take a model that you loaded yourself with transformers.

        hf = AutoModelForImageTextToText.from_pretrained(folder)
        processor = AutoProcessor.from_pretrained(folder)
        model = tt.wrap(hf, processor)
        artifact = tt.load_artifact("amps-image", model)
        with artifact.applied(model):
            answer = pipeline("image-text-to-text", model=hf, processor=processor)(text=messages)

    ``model.hf`` is the model that was given, so edits reach whatever drives it: ``generate``, a pipeline, a streamer.
    It is put in eval mode, its parameters are frozen, and nothing else of it is changed. The limit of pixels stays
    that of the processor.

    Args:
        hf: The Hugging Face model, of a known family.
        processor: Its processor, as ``AutoProcessor`` gives it: a tokenizer and what preprocesses media. It is not
            changed; trimtab's own calls (``run``, ``generate``) preprocess pictures by the PIL back end with the same
            settings, whichever back end the processor has.
        name: What to call the model in tables and artifacts; left out, the name it was loaded by.
        check: Try the tokenizer and the template, and run the self-check.

    Returns:
        The model.

    Raises:
        UsageError: The processor has no tokenizer.
        UnsupportedModelError: The family is unknown, a part is missing, or the self-check failed.
    """
    own = cast(HuggingFaceModel, getattr(hf, "_orig_mod", hf))  # torch.compile's wrapper goes around hooks
    called = name or str(getattr(own, "name_or_path", "") or type(own).__name__)
    tokenizer = getattr(processor, "tokenizer", None)
    if not isinstance(hf, nn.Module) or not hasattr(own, "config") or tokenizer is None:
        raise UsageError(
            "`hf` and `processor` of wrap must be a Hugging Face model and the processor that AutoProcessor opens, "
            f"with its `tokenizer`; got {type(hf).__name__} and {type(processor).__name__}; put parts together with "
            "trimtab.models.from_parts."
        )
    words, family = cast(FastTokenizer, tokenizer), family_of(own.config, called)
    given = [getattr(processor, "chat_template", None), words.chat_template]
    template = suitable_template(given, words, family, family.written(own, words))
    processors = reopened_processors(processor, family, called)
    return from_parts(hf, words, processors, template, name=called, family=family, check=check)
