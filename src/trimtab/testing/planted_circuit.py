"""A decoder whose circuit for following an instruction is known because its weights were set by hand.

What it does with ``[picture] Text context: this thing is red. / Trust the picture. / What color is it?``:

1. ``TRANSFER_LAYER``: one head copies the colour of the picture to the word "trust", another the colour named in the
   context to the word "the" of the instruction. Both answers wait there, whichever modality is named.
2. ``READING_LAYERS``: in each, one head tells the last token whether "picture" or "passage" was named. Either alone is
   enough, so silencing one changes little.
3. ``ROUTING_LAYER``: the routing head lets the last token look at "trust" or at "the", as it was told, and copies the
   colour that waits there to the answer. A second head in the same layer looks at "the" whatever was told, more
   weakly: the model prefers the text.

All other heads put out zeros, all MLPs too.
"""

from __future__ import annotations

from typing import cast

import torch
from PIL import Image

from trimtab.models import FastTokenizer, HuggingFaceModel, Model, from_parts, self_check

COLOURS = ("black", "blue", "green", "cyan", "red", "magenta", "yellow", "white")
"""The answers: the corners of the colour cube, by the bits of red, green and blue."""

TRANSFER_LAYER, READING_LAYERS, ROUTING_LAYER, LAYERS = 1, (2, 3), 4, 6
IMAGE_TRANSFER_HEAD, TEXT_TRANSFER_HEAD = (TRANSFER_LAYER, 0), (TRANSFER_LAYER, 1)
READING_HEADS = ((2, 2), (3, 3))
ROUTING_HEAD, PREFERENCE_HEAD = (ROUTING_LAYER, 1), (ROUTING_LAYER, 2)

CONTEXT = "this thing is {} ."
QUESTION = "what color is it ?"
INSTRUCTIONS = {"image": "trust the picture .", "text": "trust the passage ."}

TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}{% if part.type == 'image' %}<image> "
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} answer :{% endif %}"
)
WORDS = (
    *("Text", "context", "this", "thing", "is", "trust", "the", "picture", "passage", "what", "color", "it", "answer"),
)

HEADS, HEAD_DIM, HIDDEN = 4, 32, 128
# Features of the residual stream: one component each, or one for each colour.
LOUD, SINK, SEEN, TOLD, ROOM_IMAGE, ROOM_TEXT, LAST, SAYS_IMAGE, SAYS_TEXT, HEARD_IMAGE, HEARD_TEXT = range(11)
PICTURE, WRITTEN, ANSWER = 16, 24, 32
LOUDNESS = 40.0
"""The component that every token has; it is so much larger than all others that the norm hardly depends on them."""


def planted_circuit(routing: float = 1.0) -> Model:
    """Build the model.

    Args:
        routing: How strongly the routing head writes. Below some 0.4 the preference for the text wins although
            the image was named: the failures that amplifying the head repairs.

    Returns:
        A LLaVA of 6 layers with 4 heads of width 32, float32.
    """
    tokenizer = word_tokenizer()
    hf = _hf(tokenizer)
    with torch.no_grad():
        for parameter in hf.parameters():
            parameter.zero_()
        for name, parameter in hf.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1.0)
        _see(hf)
        _embed(hf, tokenizer)
        _route(hf, routing)
        let_answer(hf, tokenizer)
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    size = {"height": 28, "width": 28}
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    # Its few words are all its tokenizer can write, which loading would refuse; the rest of the checks hold.
    model = from_parts(hf, tokenizer, processor, TEMPLATE, name="planted-circuit", check=False)
    self_check(model)
    return model


def colour_picture(colour: str) -> Image.Image:
    """Return a picture that is all of one colour."""
    bits = COLOURS.index(colour)
    return Image.new("RGB", (28, 28), tuple(255 * (bits >> shift & 1) for shift in (2, 1, 0)))


def _hf(tokenizer: FastTokenizer) -> HuggingFaceModel:
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    config = LlavaConfig(
        text_config={
            "model_type": "llama",
            "hidden_size": HIDDEN,
            "intermediate_size": 8,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "head_dim": HEAD_DIM,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 4096,
            # Slow rotations in the second half of each head's pairs: the features used there ignore positions.
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e12},
            "tie_word_embeddings": False,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
        },
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 8,
            "intermediate_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 1,
            "image_size": 28,
            "patch_size": 14,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projector_hidden_act="relu",
        tie_word_embeddings=False,
    )
    return cast(HuggingFaceModel, LlavaForConditionalGeneration(config))


def _see(hf: HuggingFaceModel) -> None:
    """Let each patch say its red, green and blue as +1 or -1, and the projector which of eight colours that is."""
    tower = hf.model.vision_tower
    patch = next(m for m in tower.modules() if isinstance(m, torch.nn.Conv2d))
    area = patch.kernel_size[0] * patch.kernel_size[1]
    for channel in range(3):
        patch.weight[channel, channel] = 1.0 / area
        patch.weight[channel + 3, channel] = -1.0 / area  # mirrored, so that the layer norm subtracts nothing
    projector = hf.model.multi_modal_projector
    size = (8 / 6) ** 0.5  # what the layer norm makes of +-1 in 6 of 8 components
    for number in range(len(COLOURS)):
        signs = [1.0 if number >> shift & 1 else -1.0 for shift in (2, 1, 0)]
        projector.linear_1.weight[number, :3] = torch.tensor(signs) / size
        projector.linear_1.bias[number] = -2.0  # 3 agree: 1 is left; 2 agree: nothing
        projector.linear_2.weight[PICTURE + number, number] = 1.0
    projector.linear_2.bias[LOUD] = LOUDNESS
    projector.linear_2.bias[SEEN] = 1.0


def _embed(hf: HuggingFaceModel, tokenizer: FastTokenizer) -> None:
    """Give every word the loud component, and the words that matter what they stand for."""
    table = hf.get_input_embeddings().weight
    table[:, LOUD] = LOUDNESS
    meanings = {
        "<s>": SINK,
        "trust": ROOM_IMAGE,
        "picture": SAYS_IMAGE,
        "passage": SAYS_TEXT,
        "the": ROOM_TEXT,
        ":": LAST,
    }
    for word, feature in meanings.items():
        table[tokenizer.convert_tokens_to_ids(word), feature] = 1.0
    for number, colour in enumerate(COLOURS):
        token = tokenizer.convert_tokens_to_ids(colour)
        table[token, TOLD] = 1.0
        table[token, WRITTEN + number] = 1.0


def _route(hf: HuggingFaceModel, routing: float) -> None:
    """Set the heads; each looks at the first token unless its query says otherwise."""
    image, text = Head(hf, *IMAGE_TRANSFER_HEAD), Head(hf, *TEXT_TRANSFER_HEAD)
    image.looks([(ROOM_IMAGE, SEEN, 3.0)]).copies({PICTURE + k: ANSWER + k for k in range(8)})
    text.looks([(ROOM_TEXT, TOLD, 3.0)]).copies({WRITTEN + k: ANSWER + k for k in range(8)})
    for layer, head in READING_HEADS:
        reader = Head(hf, layer, head)
        reader.looks([(LAST, SAYS_IMAGE, 3.0), (LAST, SAYS_TEXT, 3.0)])
        reader.copies({SAYS_IMAGE: HEARD_IMAGE, SAYS_TEXT: HEARD_TEXT})
    answers = {ANSWER + k: ANSWER + k for k in range(8)}
    Head(hf, *ROUTING_HEAD).looks([(HEARD_IMAGE, ROOM_IMAGE, 3.0), (HEARD_TEXT, ROOM_TEXT, 3.0)]).copies(
        answers, routing
    )
    Head(hf, *PREFERENCE_HEAD).looks([(LAST, ROOM_TEXT, 3.0)]).copies(answers, 0.4)


class Head:
    """One attention head, set feature by feature."""

    def __init__(self, hf: HuggingFaceModel, layer: int, head: int) -> None:
        self.attention = hf.model.language_model.layers[layer].self_attn
        self.start = head * HEAD_DIM
        # The second half of the rotary pairs, which hardly turn; each pair is two components half a head apart.
        self.slots = iter(range(self.start + HEAD_DIM // 4, self.start + HEAD_DIM // 2))
        norm = HIDDEN**0.5 / LOUDNESS
        self.gain = 1.0 / norm  # undoes the norm before the layer
        self._match(LOUD, SINK, 20.0, LOUDNESS)

    def looks(self, matches: list[tuple[int, int, float]]) -> Head:
        """Let tokens with the first feature look at tokens with the second, more strongly than at the first token."""
        for asking, asked, strength in matches:
            self._match(asking, asked, 20.0 * strength, 1.0)
        return self

    def copies(self, features: dict[int, int], strength: float = 1.0) -> Head:
        """Write features of the tokens looked at, under other names, to the tokens that look."""
        for place, (source, target) in enumerate(features.items()):
            self.attention.v_proj.weight[self.start + place, source] = self.gain
            self.attention.o_proj.weight[target, self.start + place] = strength
        return self

    def _match(self, asking: int, asked: int, score: float, size: float) -> None:
        """Add ``score`` to the attention of tokens that have one feature, of a size, to those that have another."""
        slot = next(self.slots)
        self.attention.q_proj.weight[slot, asking] = self.gain * score * HEAD_DIM**0.5 / size
        self.attention.k_proj.weight[slot, asked] = self.gain


def let_answer(hf: HuggingFaceModel, tokenizer: FastTokenizer) -> None:
    """Let the colours be answered; after a colour, stop."""
    head = hf.get_output_embeddings().weight
    for number, colour in enumerate(COLOURS):
        head[tokenizer.convert_tokens_to_ids(colour), ANSWER + number] = 12.0
    head[tokenizer.eos_token_id, TOLD] = 12.0


def word_tokenizer(words: tuple[str, ...] = WORDS, media: tuple[str, ...] = ("<image>",)) -> FastTokenizer:
    """Make a tokenizer that knows a few words, the answers, and the tokens of media."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "</s>", "<s>", *media, "<unk>"]
    vocabulary = {word: i for i, word in enumerate([*special, *words, *COLOURS, ":", ".", "?"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", padding_side="left"
    )
    fast.add_special_tokens({"additional_special_tokens": [*media, "<s>"]})
    return cast(FastTokenizer, fast)
