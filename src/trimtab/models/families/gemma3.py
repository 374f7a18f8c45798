"""Gemma 3: as many positions for every picture, which see each other; layers with windows; a norm of 1 + weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL.Image import Image
from torch import Tensor, nn

from trimtab.modalities import Modality
from trimtab.models.family import Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.processing import processed

BEGINS, ENDS = "<start_of_image>", "<end_of_image>"


class Gemma3(Family):
    """Parts and traps of ``Gemma3ForConditionalGeneration``; pictures are shown whole, without crops of them."""

    name = "gemma3"
    checkpoints = ("google/gemma-3-4b-it", "google/gemma-3-12b-it", "google/gemma-3-27b-it")
    processors = {"image": "Gemma3ImageProcessor"}
    marks = {"image": BEGINS}
    norm = "rms_plus_one"
    mask = "media"
    refuses = {"decompose": "a norm stands between its heads and the residual stream"}
    types_name = "token_type_ids"
    """What the model's own ``forward`` calls the types of tokens that its mask depends on."""

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """The same for every picture."""
        return hf.config.mm_tokens_per_image

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """Normalised pixels of the whole picture."""
        pixels = processed(processor, picture, do_pan_and_scan=False)["pixel_values"]
        return MediaInput("image", {"pixel_values": pixels}, hf.config.mm_tokens_per_image, key)

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """All positions between the two tokens of a picture, in a paragraph of their own."""
        return f"\n\n{BEGINS}{placeholder * medium.n_tokens}{ENDS}\n\n"

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.vision_tower

    def native_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Inputs for the model's own ``forward``, with the types of tokens."""
        given = super().native_inputs(hf, ids, media)
        return {**given, self.types_name: self._token_types(hf, ids[None])} if media else given

    def guard(self, hf: HuggingFaceModel) -> None:
        """Supply the types of tokens whenever a caller leaves them out.

        Without them transformers masks pictures as it does text and raises nothing.
        """
        model, prepare = hf.model, hf.prepare_inputs_for_generation

        def fill(ids: Tensor | None, kwargs: dict[str, Any]) -> None:
            if ids is not None and kwargs.get(self.types_name) is None:
                types = self._token_types(hf, ids)
                kwargs.update({self.types_name: types} if types.any() else {})

        def fill_forward(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
            fill(kwargs.get("input_ids"), kwargs)
            return args, kwargs

        def fill_generate(input_ids: Tensor, **kwargs: object) -> dict[str, Any]:
            fill(input_ids, kwargs)
            return prepare(input_ids, **kwargs)

        model.register_forward_pre_hook(fill_forward, with_kwargs=True)
        hf.prepare_inputs_for_generation = fill_generate

    def _token_types(self, hf: HuggingFaceModel, ids: Tensor) -> Tensor:
        return (ids == self.placeholders(hf)["image"]).long()


register(Gemma3())
