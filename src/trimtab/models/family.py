"""What trimtab must know of a model family, and the registry of families it knows.

A family is a stateless object: it says where the parts of a Hugging Face model are and how what it is shown becomes
tokens and positions. Everything above this package asks the family and never names a module path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedMethodError, UnsupportedModelError
from trimtab.media import Clip, Medium
from trimtab.modalities import Modality
from trimtab.models.hugging_face import Configuration, FastTokenizer, HuggingFaceModel, Processor, TowerOutput
from trimtab.models.masks import MaskRule, attends_of, windows_of
from trimtab.models.norms import NormKind
from trimtab.models.offload import home
from trimtab.registry import Registry

if TYPE_CHECKING:
    from transformers import DynamicCache


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


class Family:
    """Where the parts of one family of Hugging Face models are; what is said here suits most.

    A family's file overrides what differs, and must say what raises ``NotImplementedError`` here.
    """

    name: str
    """The family's ``model_type`` in ``config.json``."""
    checkpoints: tuple[str, ...] = ()
    """Released checkpoints that the file was written for, as the Hub names them."""
    processors: Mapping[Modality, str] = {}
    """Class of each medium's processor, where a checkpoint does not name one."""
    marks: Mapping[Modality, str] = {}
    """What chat templates write for a medium, where that is not the text of its placeholder."""
    decoder_path: str = "model.language_model"
    """The text decoder in the model: embeddings in, normalised hidden states out."""
    layers_path: str = "layers"
    """The decoder's blocks, in the decoder."""
    norm_path: str = "norm"
    """The norm after the last block, in the decoder."""
    attention_path: str = "self_attn"
    """A block's attention, which takes ``attention_mask`` by name."""
    heads_path: str = "self_attn.o_proj"
    """In a block, the linear map whose input is the outputs of the attention's heads, head after head."""
    norm: NormKind = "rms"
    """What the final norm computes."""
    mask: MaskRule = "causal"
    """Which tokens see each other whatever the order; prompts are never cut inside such a block."""
    wants_ids: bool = False
    """Whether the decoder is given token ids beside the embeddings."""
    company: tuple[Modality, ...] = ()
    """Modalities whose media are prepared by ``show_image_among`` ... where a prompt shows several of them."""
    optional: tuple[Modality, ...] = ()
    """Modalities that a checkpoint of the family may lack; it loads without them, and the report says why."""
    one_length: tuple[Modality, ...] = ()
    """Modalities whose media must be equally long where a prompt shows several; their ``grid`` begins with that."""
    part: str | None = None
    """Key of the configuration of what is loaded, where a checkpoint holds more than that."""
    leaves_out: tuple[str, ...] = ()
    """How the names of tensors begin that such a checkpoint holds beside, and that are not loaded."""
    refuses: Mapping[str, str] = {}
    """Jobs that must not be tried with this family, and why, in a few words."""
    not_shown: Mapping[Modality, str] = {}
    """Modalities that its own processor takes, and that it is not shown, and why, in a few words."""

    @property
    def why_not_plain(self) -> str | None:
        """Why what is kept of a prompt depends on its last token, as contributions cannot have it; None if it does not.

        Windows and layers that carry a state are the checkpoint's: see ``windows`` and ``attends``.
        """
        return "tokens of a prompt see each other whatever the order" if self.mask == "prompt" else None

    def mask_rule(self, hf: HuggingFaceModel) -> MaskRule:
        """Which tokens see each other in this model, where configurations of a family differ in it."""
        return self.mask

    def attentions(self, config: Configuration) -> tuple[str, ...]:
        """Implementations of attention that a configuration's layers can have, the usual one first."""
        return "sdpa", "eager"

    def attending(self, config: Configuration, chosen: str) -> str | dict[str, str]:
        """What transformers is told where ``chosen`` of these is used: for all parts of the model, or for each."""
        return chosen

    def decoder(self, hf: HuggingFaceModel) -> nn.Module:
        """The text decoder: embeddings in, normalised hidden states out."""
        return hf.get_submodule(self.decoder_path)

    def layers(self, hf: HuggingFaceModel) -> nn.ModuleList:
        """The decoder's blocks, in order."""
        return cast(nn.ModuleList, self.decoder(hf).get_submodule(self.layers_path))

    def head_outputs(self, layer: nn.Module) -> nn.Module:
        """The linear map whose input is the concatenated outputs of the layer's attention heads."""
        return layer.get_submodule(self.heads_path)

    def attention(self, layer: nn.Module) -> nn.Module:
        """The layer's attention, which takes ``attention_mask`` by name."""
        return layer.get_submodule(self.attention_path)

    def final_norm(self, hf: HuggingFaceModel) -> nn.Module:
        """The norm between the last layer and the unembedding."""
        return self.decoder(hf).get_submodule(self.norm_path)

    def head_dims(self, hf: HuggingFaceModel) -> tuple[int, ...]:
        """Width of a query head in each layer."""
        config = hf.config.get_text_config()
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return (width,) * len(self.layers(hf))

    def kv_heads(self, hf: HuggingFaceModel) -> tuple[int, ...]:
        """Key-value heads of each layer; 0 where a layer attends to the keys of an earlier one."""
        return (hf.config.get_text_config().num_key_value_heads,) * len(self.layers(hf))

    def logit_cap(self, hf: HuggingFaceModel) -> float | None:
        """What the unembedding's logits are kept below in size, by a tanh; None leaves them as they are."""
        return None

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

    def looked_up(self, hf: HuggingFaceModel, ids: Tensor) -> Tensor:
        """The ids whose embeddings tokens get, where these are not always their own, in the shape of ``ids``."""
        return ids

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

    def positions(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> Tensor:
        """Rotary positions of an unpadded prompt ``ids`` of shape ``(length,)``, as ``(axes, length)``."""
        return torch.arange(len(ids), device=ids.device)[None]

    def windows(self, hf: HuggingFaceModel) -> tuple[int | None, ...]:
        """How many tokens each layer sees, the token itself among them; None for all."""
        return windows_of(hf.config.get_text_config(), len(self.layers(hf)))

    def attends(self, hf: HuggingFaceModel) -> tuple[bool, ...]:
        """Whether each layer attends to earlier tokens one by one; the others carry a state from token to token."""
        return attends_of(hf.config.get_text_config(), len(self.layers(hf)))

    def cache(self, hf: HuggingFaceModel) -> DynamicCache:
        """An empty cache for the decoder."""
        from transformers import DynamicCache

        return DynamicCache()

    def decoder_inputs(self, hf: HuggingFaceModel, extras: Mapping[str, Tensor]) -> dict[str, Any]:
        """What the decoder is given beside embeddings, mask and positions.

        Args:
            hf: The model.
            extras: Of a batch of pieces of prompts, padded on the left: ``ids``, ``(rows, length)``, if wanted;
                and, where a medium is shown, ``streams``, ``(rows, length, streams, hidden)``, with ``shown``,
                ``(rows, length)``, which is True at its positions.
        """
        return {}

    def native_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Keyword inputs for the model's own ``forward`` and ``generate``, batch of one."""
        given = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids[None])}
        for kind in dict.fromkeys(medium.kind for medium in media):
            own = self.joined([medium for medium in media if medium.kind == kind])
            given |= {name: tensor.to(ids.device) for name, tensor in own.items()}
        return given

    def guard(self, hf: HuggingFaceModel) -> None:
        """Close the family's silent traps on this instance."""


FAMILIES: Registry[Family] = Registry("`model_type`")
"""Known families by ``model_type``. A new family is one file and one ``register`` line."""


def register(family: Family) -> None:
    """Make a family known to ``trimtab.load``."""
    FAMILIES.register(family)
