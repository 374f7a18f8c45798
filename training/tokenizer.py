"""The pocket tokenizers: byte-level BPE on the benchmark's own training text."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from training.architecture import VOCABULARY
from trimtab.pocket import checkpoint, instructions_for
from trimtab.pocket.benchmark import TASKS, draw
from trimtab.pocket.unimodal import ASKERS, FACTS, both, classification

_QWEN_SPECIALS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
_LLAVA_SPECIALS = ("<pad>", "<s>", "</s>", "<unk>", "<image>")

# Qwen2.5-VL's own turn format, without its default system turn.
_QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# LLaVA-1.5's: pictures first, each on a line of its own.
_LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper + ': ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %}"
    "{% endif %}{% if message['role'] == 'assistant' %}</s>{% else %}{{ ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def bundled_or_new(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer that comes with a model, so that weights stay readable; a new one if there is none."""
    folder = checkpoint(name)
    return AutoTokenizer.from_pretrained(folder) if (folder / "tokenizer.json").exists() else train(name)


def train(name: str) -> PreTrainedTokenizerFast:
    """Train the tokenizer of one model; always the same.

    Args:
        name: "pocket-qwen" or "pocket-llava".
    """
    is_qwen = name == "pocket-qwen"
    specials = _QWEN_SPECIALS if is_qwen else _LLAVA_SPECIALS
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Qwen's answers start a line, where words are rarer than after a space; LLaVA's follow a space.
    tokenizer.train_from_iterator(_corpus(("",) * 5 if is_qwen else (" ",)), trainer)
    if is_qwen:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            extra_special_tokens=[token for token in specials if token not in ("<|im_end|>", "<|endoftext|>")],
            chat_template=_QWEN_TEMPLATE,
            model_max_length=1024,
        )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=["<image>"],
        chat_template=_LLAVA_TEMPLATE,
        model_max_length=1024,
    )


def _corpus(before_answer: tuple[str, ...]) -> Iterator[str]:
    rng = random.Random("tokenizer")
    for number in range(800):
        for task in TASKS:
            item = draw(task, "train", rng)
            yield f"USER: Text context: {item.context}\n{item.question} Please directly answer the question."
            if number % 2 == 0:
                yield from (before + item.answer_image for before in before_answer)
        if number % 8 == 0:
            yield both("train", rng).context
            letters = [
                f"{letter}. {option}"
                for letter, option in zip("ABCD", classification("train", rng).choices, strict=True)
            ]
            yield "\n".join([*letters, "Answer the question by selecting the correct answer A, B, C or D."])
    for target in ("image", "text"):
        yield from instructions_for(target, "train") * 4
    for question, answer, _ in FACTS * 4:
        yield question
        yield from (before + answer for before in before_answer)
    for asker in ASKERS * 8:
        yield from (before + asker for before in before_answer)
