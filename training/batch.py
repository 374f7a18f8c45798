"""From prompts to logits at the answer, as fast as a CPU allows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training import speed
from training.heads import Middle, OptionHead, Pointer, ToldHead
from training.pixels import image_tokens, normalised
from training.prompts import LETTERS, Example
from trimtab.pocket.scene import SIDE, Scene

_MARK = "\x00"
_TOLD = {None: -1, "image": 0, "text": 1}


@dataclass(frozen=True)
class _Row:
    ids: list[int]
    answer: int  # how many of the ids are the answer and the end of turn
    scene: Scene | None
    told: int
    option_ends: tuple[int, ...]
    right_option: int

    @property
    def prompt_tokens(self) -> int:
        return len(self.ids) - self.answer


class Reader:
    """A model and its tokenizer, asked for whole answers at once."""

    def __init__(self, model: Any, tokenizer: Any):
        self.model, self.tokenizer = model, tokenizer
        self.is_qwen = hasattr(model.model, "visual")
        self.image_id = model.config.image_token_id
        self.tokens_per_image = 16 if self.is_qwen else model.config.image_seq_length
        self._turns = {has_image: self._turn(has_image) for has_image in (True, False)}

    def prompt_text(self, body: str, has_image: bool) -> str:
        """The rendered turn, with the image token repeated once per position."""
        before, after = self._turns[has_image]
        return before + body + after

    def right(self, examples: Sequence[Example], chunk: int = 40) -> list[bool]:
        """Whether greedy decoding would give each example's answer and stop."""
        rows = self._rows(examples)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
        answers = [False] * len(rows)
        for start in range(0, len(order), chunk):
            part = order[start : start + chunk]
            features = self._features([rows[i] for i in part])
            logits, labels, owners = self._answer_logits([rows[i] for i in part], features, self._scene_index)
            for index, good in zip(part, _all_right(logits, labels, owners, len(part)).tolist(), strict=True):
                answers[index] = good
        return answers

    def _turn(self, has_image: bool) -> tuple[str, str]:
        content = [{"type": "image"}] * has_image + [{"type": "text", "text": _MARK}]
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        token = self.tokenizer.convert_ids_to_tokens(self.image_id)
        before, after = str(text).replace(token, token * self.tokens_per_image).split(_MARK)
        return before, after

    def _rows(self, examples: Sequence[Example]) -> list[_Row]:
        space = "" if self._turns[True][1][-1].isspace() else " "  # a word after a word, or a line's first
        texts = [self.prompt_text(e.body, e.scene is not None) for e in examples]
        prompts = self.tokenizer(texts)
        answers = self.tokenizer([space + e.answer for e in examples], add_special_tokens=False)["input_ids"]
        end = self.tokenizer.eos_token_id
        rows = []
        for number, (text, answer, example) in enumerate(zip(texts, answers, examples, strict=True)):
            ids = [*prompts["input_ids"][number], *answer, end]
            ends = tuple(prompts.char_to_token(number, place) for place in _option_ends(text, example))
            right = LETTERS.index(example.answer) if ends else -1
            rows.append(_Row(ids, len(answer) + 1, example.scene, _TOLD[example.told], ends, right))
        return rows

    def _features(self, rows: Sequence[_Row]) -> Tensor:
        """Image tokens of all distinct scenes, with an index of which is where."""
        scenes = list({id(row.scene): row.scene for row in rows if row.scene is not None}.values())
        self._scene_index = {id(scene): place for place, scene in enumerate(scenes)}
        if not scenes:
            return torch.zeros(0, self.tokens_per_image, self.model.config.get_text_config().hidden_size)
        return image_tokens(self.model, normalised(scenes).to(self.model.dtype))

    def _answer_logits(
        self, rows: Sequence[_Row], features: Tensor, index: dict[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits and labels at answer positions, and the row each belongs to."""
        length = max(len(row.ids) for row in rows)
        ids = torch.tensor([row.ids + [0] * (length - len(row.ids)) for row in rows])
        inner = self.model.model
        embedded = inner.get_input_embeddings()(ids)
        used = [index[id(row.scene)] for row in rows if row.scene is not None]
        if used:
            place = (ids == self.image_id)[..., None].expand_as(embedded)
            embedded = embedded.masked_scatter(place, features[used].to(embedded.dtype))
        # Padding is on the right, where causal attention never looks back at it.
        hidden = inner.language_model(
            inputs_embeds=embedded, position_ids=self._positions(ids, len(used)), use_cache=False
        ).last_hidden_state
        owners = torch.tensor([number for number, row in enumerate(rows) for _ in range(row.answer)])
        places = torch.tensor([len(row.ids) - row.answer + step for row in rows for step in range(row.answer)])
        return self.model.lm_head(hidden[owners, places - 1]), ids[owners, places], owners

    def _positions(self, ids: Tensor, pictures: int) -> Tensor:
        if not self.is_qwen:
            return torch.arange(ids.shape[1])[None].expand(len(ids), -1)
        side = SIDE // 14
        grids = torch.tensor([[1, side, side]]).repeat(pictures, 1)
        return self.model.model.get_rope_index(ids, (ids == self.image_id).int(), grids)[0]


class Trainee(Reader):
    """A model in training.

    `master` holds the float32 weights that the optimiser changes; `model` is the bfloat16 copy that
    computes everything.
    """

    def __init__(self, master: Any, tokenizer: Any):
        super().__init__(copy.deepcopy(master).to(torch.bfloat16), tokenizer)
        self.master = master
        layers = self.model.model.language_model.layers
        pointing = layers[len(layers) * 3 // 4]
        speed.compile_layers(layer for layer in layers if layer is not pointing)
        width = self.model.config.get_text_config().hidden_size
        self.told_head = ToldHead(width, Middle(layers[len(layers) // 3]))
        self.option_head = OptionHead(width, Middle(layers[len(layers) * 7 // 12]))
        self._pointer = Pointer(pointing.self_attn)
        self.reads: dict[str, float] = {}  # the newest losses of heads and pointer

    def loss(self, examples: Sequence[Example], with_options: bool, chunk: int = 17) -> tuple[float, float]:
        """Compute gradients of the mean loss, the heads' included; return it, without theirs, and the share right.

        Prompts run in chunks of similar length; each picture is encoded once. ``with_options`` adds the losses of
        option head and pointer.
        """
        total, right, self.reads = 0.0, 0, dict.fromkeys(self.reads, 0.0)
        rows = sorted(self._rows(examples), key=lambda row: len(row.ids))
        self._refresh()
        features = self._features(rows)
        held = features.detach().requires_grad_()
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            logits, labels, owners = self._answer_logits(part, held, self._scene_index)
            lengths = torch.bincount(owners, minlength=len(part))[owners]
            losses = F.cross_entropy(logits.float(), labels, reduction="none") / lengths
            value = losses.sum() / len(rows)
            read = sum(self._read(part, len(rows), with_options).values(), torch.zeros(()))
            (value + read).backward()
            total += float(value.detach())
            right += int(_all_right(logits, labels, owners, len(part)).sum())
        if held.grad is not None:
            features.backward(held.grad)
        self._hand_over_gradients()
        return total, right / len(rows)

    def hear(self, examples: Sequence[Example], chunk: int = 32) -> tuple[float, float]:
        """As `loss`, but only of reading off which modality was named, without pictures, in the lower layers."""
        rows = sorted(self._rows(examples), key=lambda row: len(row.ids))
        self._refresh()
        heard, right = 0.0, 0
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            self._lower_layers(part)
            value = self.told_head.loss(part) / len(rows)
            value.backward()
            heard += float(value.detach())
            right += self.told_head.right(part)
        self._hand_over_gradients()
        return heard, right / len(rows)

    def _read(self, rows: Sequence[_Row], of: int, with_options: bool) -> dict[str, Tensor]:
        """What heads and pointer lose: the share of these rows in a mean over so many."""
        losses = {"told": self.told_head.loss(rows) / of}
        if with_options:
            losses |= {"option": self.option_head.loss(rows) / of, "pointer": self._pointer.loss(rows) / of}
        for name, loss in losses.items():
            self.reads[name] = self.reads.get(name, 0.0) + float(loss.detach())
        return losses

    def right(self, examples: Sequence[Example], chunk: int = 40) -> list[bool]:
        """As `Reader.right`, on the newest weights."""
        self._refresh()
        # Gradients stay enabled, unused: without them every layer would be compiled again.
        return super().right(examples, chunk)

    def _lower_layers(self, rows: Sequence[_Row]) -> None:
        """Run the layers up to the middle one, which keeps its output."""
        length = max(len(row.ids) for row in rows)
        ids = torch.tensor([row.ids + [0] * (length - len(row.ids)) for row in rows])
        inner = self.model.model
        decoder, embedded = inner.language_model, inner.get_input_embeddings()(ids)
        layers = decoder.layers
        try:
            decoder.layers = layers[: len(layers) // 3 + 1]
            decoder(inputs_embeds=embedded, position_ids=self._positions(ids, 0), use_cache=False)
        finally:
            decoder.layers = layers

    def _hand_over_gradients(self) -> None:
        for own, computed in zip(self.master.parameters(), self.model.parameters(), strict=True):
            own.grad = None if computed.grad is None else computed.grad.float()

    @torch.no_grad()
    def _refresh(self) -> None:
        """Copy the float32 weights into the copy that computes gradients."""
        self.model.zero_grad(set_to_none=True)
        for own, computed in zip(self.master.parameters(), self.model.parameters(), strict=True):
            computed.copy_(own)


def _option_ends(text: str, example: Example) -> list[int]:
    """Places of the options' last letters in a prompt."""
    ends, start = [], 0
    for letter, option in zip(LETTERS, example.options, strict=False):
        line = f"\n{letter}. {option}"
        start = text.index(f"{line}\n", start) + len(line)
        ends.append(start - 1)
    return ends


def _all_right(logits: Tensor, labels: Tensor, owners: Tensor, rows: int) -> Tensor:
    wrong = (logits.argmax(-1) != labels).float()
    return torch.zeros(rows).index_add(0, owners, wrong) == 0
