"""What a family says of what it is shown: how media become inputs of the model, and these embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedMethodError, UnsupportedModelError
from trimtab.media import Clip, Medium
from trimtab.modalities import Modality
from trimtab.models.hugging_face import FastTokenizer, HuggingFaceModel, Processor, TowerOutput
from trimtab.models.offload import home


@dataclass(frozen=True, eq=False)
class MediaInput:
    """One picture, sound or clip as the model's tower takes it.

    Attributes:
        kind: Its modality.
        tensors: Keyword tensors of the model's own ``forward``, for this medium alone; ``Model.show`` makes large ones
            when they are asked for.
        n_tokens: Number of positions that it takes in the prompt.
        key: Digest of its content; equal media share one encoding.
        grid: Rows and columns of its tiles or positions, where the text around them depends on that; a clip's times
            before them.
        seconds: When each of a clip's frames that are shown stands, in seconds; the others are not shown.
        step: Seconds between a clip's times.
        weights: Factors of a picture's patches' features, ``(patches,)``, in the order in which the projector takes
            them; None leaves the features as they are. A weighted picture has a key of its own.
    """

    kind: Modality
    tensors: Mapping[str, Tensor]
    n_tokens: int
    key: str
    weights: Tensor | None = None
    grid: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    step: float = 0.0


class FamilyMedia:
    """The half of a ``Family`` that is about media.

    A family's file overrides what differs, and must say what raises ``NotImplementedError`` here.
    """

    name: str
    """The family's ``model_type`` in ``config.json``."""
    processors: Mapping[Modality, str] = {}
    """Class of each medium's processor, where a checkpoint does not name one."""
    marks: Mapping[Modality, str] = {}
    """What chat templates write for a medium, where that is not the text of its placeholder."""
    company: tuple[Modality, ...] = ()
    """Modalities whose media are prepared by ``show_image_among`` ... where a prompt shows several of them."""
    one_length: tuple[Modality, ...] = ()
    """Modalities whose media must be equally long where a prompt shows several; their ``grid`` begins with that."""
    not_shown: Mapping[Modality, str] = {}
    """Modalities that its own processor takes, and that it is not shown, and why, in a few words."""

    def placeholders(self, hf: HuggingFaceModel) -> dict[Modality, int]:
        """Id of the token that stands for one position of each modality that the model can be shown."""
        return {"image": hf.config.image_token_id}

    def written(self, hf: HuggingFaceModel, tokenizer: FastTokenizer) -> dict[Modality, str]:
        """What a chat template writes for a medium of each modality."""
        tokens = self.placeholders(hf).items()
        return {kind: self.marks.get(kind) or tokenizer.convert_ids_to_tokens(token) or "" for kind, token in tokens}

    def template(self) -> str | None:
        """A chat template for checkpoints that have none, or none that takes media."""
        return None

    def open_processor(self, kind: Modality, settings: Mapping[str, Any]) -> Processor | None:
        """A processor as the checkpoint sets it, where transformers has none without torchvision; else None."""
        return None

    def clip_processor(self, image_processor: Processor, settings: Mapping[str, Any]) -> Callable[[Clip], object]:
        """The processor of clips, for families that are shown some; ``show_video`` gets what it makes of one.

        Args:
            image_processor: That of pictures; its limit of pixels holds for frames, too, when it is set later.
            settings: What the checkpoint says of clips.
        """
        raise NotImplementedError

    def limit_pixels(self, image_processor: Processor, most: int | None, at_most_own: bool = False) -> int | None:
        """Have the image processor scale down pictures of more pixels than ``most``; None leaves its own limit.

        Args:
            image_processor: The image processor, changed in place.
            most: The limit.
            at_most_own: Keep the processor's own limit where that is lower.

        Returns:
            The limit in force; None where every picture takes the same number of positions.
        """
        return None

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """Number of positions that a picture of this size takes."""
        raise NotImplementedError

    def show(self, hf: HuggingFaceModel, processor: object, kind: str, medium: Medium, key: str) -> MediaInput:
        """Preprocess one medium and count its positions, by the family's own method for its kind.

        That is ``show_image(hf, processor, picture, key)``, ``show_audio(hf, processor, sound, key)`` ...: a family has
        one for each kind that it is shown.

        Args:
            hf: The model.
            processor: The processor of its modality.
            kind: The modality; with ``_among`` behind it for one of several, if it is in ``company``.
            medium: The opened medium: a ``Picture``, a ``Sound`` or a ``Clip``.
            key: Its digest.
        """
        return getattr(self, f"show_{kind}")(hf, processor, medium, key)

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """What encodes media of a modality."""
        raise NotImplementedError

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """The text that takes the place of what the template writes for a medium, such as rows of tiles.

        Args:
            medium: What is shown; ``n_tokens`` placeholders must be in the text.
            placeholder: The text of its kind's token.
        """
        return placeholder * medium.n_tokens

    def streams(self, hf: HuggingFaceModel) -> int:
        """How many features a medium has for each position beside its embedding, which enter the decoder further up."""
        return 0

    def embed_media(self, hf: HuggingFaceModel, media: Sequence[MediaInput]) -> list[Tensor]:
        """Encode media of one modality, all at once, to decoder embeddings.

        Returns:
            For each ``(n_tokens, hidden)``; with ``streams`` ``(n_tokens, 1 + streams, hidden)``, the embedding first.
        """
        kind = media[0].kind
        device = home(self.tower(hf, kind))
        given = {name: tensor.to(device) for name, tensor in self.joined(media).items()}  # towers round them themselves
        rows = torch.cat(self.encode(hf, kind, given))
        return list(rows.split([medium.n_tokens for medium in media]))

    def encode(self, hf: HuggingFaceModel, kind: Modality, given: dict[str, Tensor]) -> list[Tensor]:
        """The ``features`` of what the model's own ``get_image_features`` (or ``get_audio_features`` ...) says."""
        return self.features(getattr(hf.model, f"get_{kind}_features")(**given, return_dict=True))

    def joined(self, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """The tensors of media of one modality in one, as the model's own ``forward`` takes them."""
        names = dict.fromkeys(name for medium in media for name in medium.tensors)
        return {name: torch.cat([m.tensors[name] for m in media if name in m.tensors]) for name in names}

    def require_one_length(self, media: Sequence[MediaInput]) -> None:
        """Refuse what a prompt shows if it must be equally long and is not.

        Raises:
            UnsupportedModelError: Media of a modality in ``one_length`` have different lengths.
        """
        for kind in self.one_length:
            lengths = sorted({medium.grid[0] for medium in media if medium.kind == kind})
            if len(lengths) > 1:
                raise UnsupportedModelError(
                    f"`media` of a prompt must be equally long in {kind} for family {self.name}, whose own forward "
                    f"takes them as one array; got lengths {', '.join(map(str, lengths))}; give equally long ones, or "
                    "one a prompt."
                )

    def features(self, output: TowerOutput) -> list[Tensor]:
        """What the model's own code says of media, in parts, in order.

        A part is what is said of some positions that follow each other, such as those of a tile, or of all sounds.
        """
        found = output.pooler_output
        return [found] if isinstance(found, Tensor) and found.ndim == 2 else list(found)

    def projector(self, hf: HuggingFaceModel) -> nn.Module:
        """What maps the patches' features to decoder embeddings, behind any norm that would undo a factor of theirs.

        Its input, reshaped to ``(patches, width)``, is a row for each patch, picture after picture.
        """
        raise UnsupportedMethodError(
            f"`image_counterfactual` must act where patches are projected; family {self.name} says no such place; use "
            "a method that leaves the picture as it is."
        )

    def patch_attention(self, hf: HuggingFaceModel, media: MediaInput) -> Tensor:
        """The attention that a picture's patches get where the projector's features come from, ``(heads, patches)``.

        The patches are in the projector's order.

        Raises:
            UnsupportedMethodError: The family has no such map.
        """
        raise UnsupportedMethodError(
            f"`image_counterfactual` must have a map of the picture's attention; family {self.name} has none; use a "
            "method that leaves the picture as it is."
        )
