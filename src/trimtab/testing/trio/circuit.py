"""The hand-set circuit of ``planted_circuit`` for three modalities: a colour that is seen, heard or written.

What it does with ``[picture] [sound] Text context: this thing is red. / Trust the recording now. / What color is it?``:

1. ``TRANSFER_LAYER``: three heads copy the colours. That of the picture goes to the word "trust", that of the context
   to "the", and that of the sound to "now": all three answers wait there, whichever modality is named.
2. ``READING_LAYERS``: in each, one head tells the last token which of "picture", "passage" and "recording" was named.
3. ``ROUTING_LAYER``: the routing head copies the colour that waits at the place of the named modality to the answer; a
   second, weaker head copies that of the context whatever was told.

Silencing a transfer head takes away the answer of its modality and of no other.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch

from trimtab.media import Sound
from trimtab.modalities import Modality
from trimtab.models import FastTokenizer, HuggingFaceModel, Model, from_parts, self_check
from trimtab.testing import planted_circuit as pair
from trimtab.testing.planted_circuit import (
    ANSWER,
    COLOURS,
    HEADS,
    HIDDEN,
    LAST,
    LAYERS,
    LOUD,
    LOUDNESS,
    PICTURE,
    PREFERENCE_HEAD,
    READING_HEADS,
    ROUTING_HEAD,
    SEEN,
    SINK,
    TOLD,
    TRANSFER_LAYER,
    WORDS,
    WRITTEN,
    Head,
    let_answer,
    word_tokenizer,
)
from trimtab.testing.trio.family import FrameProcessor, PatchProcessor
from trimtab.testing.trio.modeling import FRAME, PATCH, TrioConfig, TrioForConditionalGeneration

TRANSFER_HEADS: dict[Modality, tuple[int, int]] = {
    "image": (TRANSFER_LAYER, 0),
    "text": (TRANSFER_LAYER, 1),
    "audio": (TRANSFER_LAYER, 2),
}
"""The head that carries each modality's answer to where it waits."""

TRIO_INSTRUCTIONS: dict[Modality, str] = {
    "image": "trust the picture now .",
    "text": "trust the passage now .",
    "audio": "trust the recording now .",
}
RATE = 64
"""Samples a second of the sounds that it understands."""

AUDIBLE, SOUNDED = 11, 40
# For each modality: what its tokens have, what its place has, what its name says, and that it was heard.
EVIDENCE: dict[Modality, int] = {"image": SEEN, "text": TOLD, "audio": AUDIBLE}
ROOM: dict[Modality, int] = {"image": pair.ROOM_IMAGE, "text": pair.ROOM_TEXT, "audio": 12}
SAYS: dict[Modality, int] = {"image": pair.SAYS_IMAGE, "text": pair.SAYS_TEXT, "audio": 13}
HEARD: dict[Modality, int] = {"image": pair.HEARD_IMAGE, "text": pair.HEARD_TEXT, "audio": 14}
COLOUR_AT: dict[Modality, int] = {"image": PICTURE, "text": WRITTEN, "audio": SOUNDED}
PLACES: dict[Modality, str] = {"image": "trust", "text": "the", "audio": "now"}
NAMES: dict[Modality, str] = {"image": "picture", "text": "passage", "audio": "recording"}

TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}<{{ part.type }}> {% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} answer :{% endif %}"
)


def planted_trio_circuit(routing: float = 1.0) -> Model:
    """Build the model; see ``planted_circuit`` for ``routing``.

    Returns:
        A model of 6 layers with 4 heads of width 32, float32, that takes ``colour_picture`` and ``colour_sound``.
    """
    tokenizer = word_tokenizer((*WORDS, "recording", "now"), ("<image>", "<audio>"))
    hf = cast(HuggingFaceModel, TrioForConditionalGeneration(_config(tokenizer)))
    with torch.no_grad():
        for name, parameter in hf.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        _see_and_hear(hf)
        _embed(hf, tokenizer)
        _route(hf, routing)
        let_answer(hf, tokenizer)
    processors = {"image": PatchProcessor(), "audio": FrameProcessor(RATE)}
    # Its few words are all its tokenizer can write, which loading would refuse; the rest of the checks hold.
    model = from_parts(hf, tokenizer, processors, TEMPLATE, name="planted-trio-circuit", check=False)
    self_check(model)
    return model


def colour_sound(colour: str) -> Sound:
    """Return a sound of two frames that says a colour: a click at the colour's place in each."""
    frame = np.zeros(FRAME, np.float32)
    frame[COLOURS.index(colour)] = 1.0
    return Sound(np.tile(frame, 2), RATE)


def _config(tokenizer: FastTokenizer) -> TrioConfig:
    return TrioConfig(
        text_config={
            "hidden_size": HIDDEN,
            "intermediate_size": 8,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "head_dim": pair.HEAD_DIM,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e12},
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
        },
        projector_size=len(COLOURS),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        audio_token_id=tokenizer.convert_tokens_to_ids("<audio>"),
    )


def _see_and_hear(hf: HuggingFaceModel) -> None:
    """Let the projectors tell which of eight colours a patch is, and which one a frame says."""
    seen, heard = hf.model.picture_projector, hf.model.sound_projector
    for number in range(len(COLOURS)):
        for channel, shift in enumerate((2, 1, 0)):
            seen.linear_1.weight[number, channel::3] = (1.0 if number >> shift & 1 else -1.0) / PATCH**2
        seen.linear_1.bias[number] = -2.0  # 3 channels agree: 1 is left; 2 agree: nothing
        seen.linear_2.weight[PICTURE + number, number] = 1.0
        heard.linear_1.weight[number, number] = 1.0
        heard.linear_2.weight[SOUNDED + number, number] = 1.0
    for projector, feature in ((seen, SEEN), (heard, AUDIBLE)):
        projector.linear_2.bias[LOUD] = LOUDNESS
        projector.linear_2.bias[feature] = 1.0


def _embed(hf: HuggingFaceModel, tokenizer: FastTokenizer) -> None:
    """Give every word the loud component, and the words that matter what they stand for."""
    table = hf.get_input_embeddings().weight
    table[:, LOUD] = LOUDNESS
    meanings = {"<s>": SINK, ":": LAST}
    meanings |= {word: ROOM[kind] for kind, word in PLACES.items()} | {w: SAYS[kind] for kind, w in NAMES.items()}
    for word, feature in meanings.items():
        table[tokenizer.convert_tokens_to_ids(word), feature] = 1.0
    for number, colour in enumerate(COLOURS):
        token = tokenizer.convert_tokens_to_ids(colour)
        table[token, TOLD] = 1.0
        table[token, WRITTEN + number] = 1.0


def _route(hf: HuggingFaceModel, routing: float) -> None:
    """Set the heads; each looks at the first token unless its query says otherwise."""
    numbers = range(len(COLOURS))
    for kind, place in TRANSFER_HEADS.items():
        head = Head(hf, *place).looks([(ROOM[kind], EVIDENCE[kind], 3.0)])
        head.copies({COLOUR_AT[kind] + k: ANSWER + k for k in numbers})
    for layer, head in READING_HEADS:
        reader = Head(hf, layer, head).looks([(LAST, says, 3.0) for says in SAYS.values()])
        reader.copies({SAYS[kind]: HEARD[kind] for kind in SAYS})
    answers = {ANSWER + k: ANSWER + k for k in numbers}
    Head(hf, *ROUTING_HEAD).looks([(HEARD[kind], ROOM[kind], 3.0) for kind in ROOM]).copies(answers, routing)
    Head(hf, *PREFERENCE_HEAD).looks([(LAST, ROOM["text"], 3.0)]).copies(answers, 0.4)
