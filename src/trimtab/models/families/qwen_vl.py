"""What the Qwen vision-language families have in common: patches with a grid, three-axis rotary positions (mRoPE)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn

from trimtab.errors import UsageError
from trimtab.media import Clip
from trimtab.modalities import Modality
from trimtab.models.clips import AllFrames, ClipProcessor, FrameByFrame
from trimtab.models.family import Family
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.patches import inputs_of
from trimtab.models.processing import processed

TYPES: dict[Modality, int] = {"image": 1, "video": 2}
"""Numbers by which the models' own rule of positions tells tokens of media from text, which is 0."""
TABLE_ENTRIES = 2**24
"""Entries of a table of attention that are computed at once: 64 MB of float32."""


class QwenVL(Family):
    """Parts and traps of Qwen's models that merge patches of pictures and clips as they are."""

    processors = {"image": "Qwen2VLImageProcessor", "video": "Qwen2VLVideoProcessor"}
    optional = ("video",)
    clips: type[ClipProcessor] = FrameByFrame
    """How clips are scaled and their frames taken."""

    def placeholders(self, hf: HuggingFaceModel) -> dict[Modality, int]:
        """Ids of one position of a picture and of a clip."""
        config = hf.config
        video: dict[Modality, int] = {} if config.video_token_id is None else {"video": config.video_token_id}
        return {"image": config.image_token_id, **video}

    def clip_processor(self, image_processor: Processor, settings: Mapping[str, Any]) -> ClipProcessor:
        """Scales frames and cuts them to patches."""
        return self.clips(image_processor, settings)

    def limit_pixels(self, image_processor: Processor, most: int | None, at_most_own: bool = False) -> int | None:
        """Set the processor's ``longest_edge``, which is its name for the most pixels."""
        own = int(image_processor.size["longest_edge"])
        if most is None or (at_most_own and own <= most):
            return own
        least = (image_processor.patch_size * image_processor.merge_size) ** 2
        if most < least:
            raise UsageError(
                f"`max_pixels` of load must be at least {least} for {self.name}, the size of one position; got {most}."
            )
        shortest = min(int(image_processor.size["shortest_edge"]), most)
        image_processor.size = {"shortest_edge": shortest, "longest_edge": most}
        return most

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """Patches of the scaled picture; the merger joins ``merge_size ** 2`` of them."""
        return image_processor.get_number_of_image_patches(height, width) // image_processor.merge_size**2

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """Patches and their grid; the merger joins ``merge_size ** 2`` patches to one position."""
        batch = processed(processor, picture)
        grid = batch["image_grid_thw"]
        n_tokens = int(grid.prod()) // processor.merge_size**2
        return MediaInput("image", {"pixel_values": batch["pixel_values"], "image_grid_thw": grid}, n_tokens, key)

    def show_video(self, hf: HuggingFaceModel, processor: ClipProcessor, clip: Clip, key: str) -> MediaInput:
        """Patches of some of a clip's frames, their grid, and when each frame stands."""
        cut, merge = processor(clip), processor.merge_size
        times, high, wide = cut.grid
        positions = times, high // merge, wide // merge
        tensors = {"pixel_values_videos": cut.pixels, "video_grid_thw": torch.tensor([cut.grid])}
        timing = {"grid": positions, "seconds": cut.seconds, "step": cut.step}
        return MediaInput("video", tensors, prod(positions), key, **timing)

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.visual

    def positions(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> Tensor:
        """Three-axis positions (time, height, width) by the model's own rule."""
        if not media:
            return torch.arange(len(ids), device=ids.device).expand(3, -1)
        positions, _ = hf.model.get_rope_index(ids[None], **self.rope_inputs(hf, ids, media))
        return positions[:, 0]

    def rope_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """What the model's own rule of positions is given of media beside token ids; no pixels are read."""
        grids: dict[str, list[Tensor]] = {}
        for medium in media:
            grids.setdefault(f"{medium.kind}_grid_thw", []).append(medium.tensors[f"{medium.kind}_grid_thw"])
        given = {name: torch.cat(own).to(ids.device) for name, own in grids.items()}
        return {**given, "mm_token_type_ids": self._token_types(hf, ids[None], given)}

    def native_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Inputs for the model's own ``forward``, with the token types that positions depend on."""
        given = super().native_inputs(hf, ids, media)
        return {**given, **self.rope_inputs(hf, ids, media)} if media else given

    def guard(self, hf: HuggingFaceModel) -> None:
        """Supply ``mm_token_type_ids`` whenever a caller leaves them out.

        Without them transformers 5 falls back to one-axis text positions and raises nothing, so the logits
        are silently those of another prompt. The ids can always be read off ``input_ids``; we do that, in
        ``forward`` and in ``generate``.
        """
        model = hf.model

        def fill_forward(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
            ids = kwargs.get("input_ids")
            if self._lacks_types(kwargs) and ids is not None and kwargs.get("position_ids") is None:
                kwargs["mm_token_type_ids"] = self._token_types(hf, ids, kwargs)
            return args, kwargs

        model.register_forward_pre_hook(fill_forward, with_kwargs=True)
        prepare = hf._prepare_position_ids_for_generation

        def fill_generate(inputs_tensor: Tensor, model_kwargs: dict[str, Any]) -> Tensor:
            if self._lacks_types(model_kwargs) and not inputs_tensor.is_floating_point():
                model_kwargs = {**model_kwargs, "mm_token_type_ids": self._token_types(hf, inputs_tensor, model_kwargs)}
            return prepare(inputs_tensor, model_kwargs)

        hf._prepare_position_ids_for_generation = fill_generate

    @staticmethod
    def _lacks_types(kwargs: dict[str, Any]) -> bool:
        shown = any(kwargs.get(f"{kind}_grid_thw") is not None for kind in TYPES)
        return shown and kwargs.get("mm_token_type_ids") is None

    def _token_types(self, hf: HuggingFaceModel, ids: Tensor, given: Mapping[str, Any]) -> Tensor:
        """Which kind each token is a position of; a kind that is not given has no positions, whatever the tokens."""
        types, tokens = torch.zeros_like(ids, dtype=torch.int), self.placeholders(hf)
        for kind, number in TYPES.items():
            if given.get(f"{kind}_grid_thw") is not None:
                types[ids == tokens[kind]] = number
        return types


class TimedClips(QwenVL):
    """Those that take every frame, and write the times of a clip's frames between their positions."""

    clips = AllFrames

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """A clip's times are written out: before the positions of some frames, the middle of their seconds."""
        if medium.kind != "video":
            return super().expand(medium, placeholder)
        times, high, wide = medium.grid
        depth = -(-len(medium.seconds) // times)
        padded = [*medium.seconds, *medium.seconds[-1:] * (times * depth - len(medium.seconds))]
        middles = [(padded[first] + padded[first + depth - 1]) / 2 for first in range(0, len(padded), depth)]
        shown = f"<|vision_start|>{placeholder * (high * wide)}<|vision_end|>"
        return "".join(f"<{middle:.1f} seconds>{shown}" for middle in middles)


class MergedByMlp(QwenVL):
    """Those whose patches' features a norm and two linear maps join to a position's embedding, and nothing else."""

    def projector(self, hf: HuggingFaceModel) -> nn.Module:
        """The merger's two linear maps: its norm, which comes before them, would undo any factor of a patch."""
        return hf.model.visual.merger.mlp

    def patch_attention(self, hf: HuggingFaceModel, media: MediaInput) -> Tensor:
        """The attention that each patch gets in the last block, averaged over the picture's patches as queries.

        There is no class token. Patches are in the order of the tower, and so is the merger's input. In a block with
        windows, patches of other windows look at a patch not at all, which counts as 0; the last block of the released
        checkpoints attends to the whole picture.
        """
        attention = hf.model.visual.blocks[-1].attn
        rotate = sys.modules[type(attention).__module__].apply_rotary_pos_emb_vision
        states, given = inputs_of(attention, lambda: self.embed_media(hf, [media]))
        queries, keys, _ = attention.qkv(states).unflatten(-1, (3, attention.num_heads, -1)).unbind(1)
        queries, keys = rotate(queries, keys, *given["position_embeddings"])
        lengths = given["cu_seqlens"].diff().tolist()
        windows = zip(queries.split(lengths), keys.split(lengths), strict=True)
        received = [_received(q.transpose(0, 1), k.transpose(0, 1), attention.scaling) for q, k in windows]
        return torch.cat(received, dim=1) / len(states)


def _received(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """Return the attention that each key gets, summed over queries, ``(heads, patches)``, float32.

    Inputs are ``(heads, patches, width)``. One head and some queries at a time: the table of a large picture's patches
    is larger than any memory.
    """
    some = max(1, TABLE_ENTRIES // keys.shape[1])
    return torch.stack(
        [
            torch.stack([(part @ k.T * scale).float().softmax(-1).sum(0) for part in q.split(some)]).sum(0)
            for q, k in zip(queries, keys, strict=True)
        ]
    )
