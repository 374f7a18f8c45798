"""From prompts to logits at the answer, as fast as a CPU allows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import speed
from training.pixels import image_tokens, normalised
from training.prompts import Example
from trimtab.pocket.scene import SIDE, Scene

_MARK = "\x00"
_TOLD = {None: -1, "image": 0, "text": 1}
_TOLD_WEIGHT = 1.0
_TOLD_TOKENS = 20  # about as many as the question and what follows it have


@dataclass(frozen=True)
class _Row:
    ids: list[int]
    answer: int  # how many of the ids are the answer and the end of turn
    scene: Scene | None
    told: int  # 0: an instruction named the image, 1: the text, -1: neither


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
        space = "" if self.is_qwen else " "
        prompts = self.tokenizer([self.prompt_text(e.body, e.scene is not None) for e in examples])["input_ids"]
        answers = self.tokenizer([space + e.answer for e in examples], add_special_tokens=False)["input_ids"]
        end = self.tokenizer.eos_token_id
        return [
            _Row([*prompt, *answer, end], len(answer) + 1, example.scene, _TOLD[example.told])
            for prompt, answer, example in zip(prompts, answers, examples, strict=True)
        ]

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
    computes everything. A linear head reads off a middle layer, at the last prompt tokens, which modality
    the instruction named: without that, an instruction makes no difference for hundreds of steps.
    """

    def __init__(self, master: Any, tokenizer: Any):
        super().__init__(copy.deepcopy(master).to(torch.bfloat16), tokenizer)
        self.master = master
        layers = self.model.model.language_model.layers
        speed.compile_layers(layers)
        self.told_head = nn.Linear(self.model.config.get_text_config().hidden_size, 2)
        layers[len(layers) // 3].register_forward_hook(self._keep_middle)
        self._middle: Tensor | None = None
        self.told_loss = 0.0

    def loss(self, examples: Sequence[Example], chunk: int = 17) -> tuple[float, float]:
        """Compute gradients of the mean loss; return it and the share of answers all right.

        Prompts run in chunks of similar length; each picture is encoded once.
        """
        total, right, self.told_loss = 0.0, 0, 0.0
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
            read = self._told_loss(part) / len(rows)
            self.told_loss += float(read.detach())
            (value + _TOLD_WEIGHT * read).backward()
            total += float(value.detach())
            right += int(_all_right(logits, labels, owners, len(part)).sum())
        features.backward(held.grad)
        self._hand_over_gradients()
        return total, right / len(rows)

    def hear(self, examples: Sequence[Example], chunk: int = 32) -> tuple[float, float]:
        """As `loss`, but only of reading off which modality was named, without pictures, in the lower layers."""
        rows = sorted(self._rows(examples), key=lambda row: len(row.ids))
        self._refresh()
        self.told_loss, right = 0.0, 0
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            self._lower_layers(part)
            value = self._told_loss(part) / len(rows)
            value.backward()
            self.told_loss += float(value.detach())
            right += self._told_right(part)
        self._hand_over_gradients()
        return self.told_loss, right / len(rows)

    def right(self, examples: Sequence[Example], chunk: int = 40) -> list[bool]:
        """As `Reader.right`, on the newest weights."""
        self._refresh()
        # Gradients stay enabled, unused: without them every layer would be compiled again.
        return super().right(examples, chunk)

    def _keep_middle(self, _module: nn.Module, _args: tuple, output: Any) -> None:
        self._middle = output[0] if isinstance(output, tuple) else output

    def _told_loss(self, rows: Sequence[_Row]) -> Tensor:
        """Sum of the losses of reading off which modality was named."""
        told = torch.tensor([row.told for row in rows])
        if (told < 0).all():
            return torch.zeros(())
        states = self._told_states(rows)
        labels = told[:, None].expand(states.shape[:2])
        losses = F.cross_entropy(self.told_head(states).transpose(1, 2), labels, ignore_index=-1, reduction="none")
        return losses.mean(-1).sum()

    def _told_states(self, rows: Sequence[_Row]) -> Tensor:
        """Normalised middle states of the last prompt tokens, the very last first."""
        assert self._middle is not None
        ends = torch.tensor([len(row.ids) - row.answer for row in rows])
        places = (ends[:, None] - 1 - torch.arange(_TOLD_TOKENS)).clamp_min(0)
        states = self._middle[torch.arange(len(rows))[:, None], places].float()
        return F.layer_norm(states, states.shape[-1:])  # a few of their dimensions are huge

    @torch.no_grad()
    def _told_right(self, rows: Sequence[_Row]) -> int:
        read = self.told_head(self._told_states(rows)[:, 0]).argmax(-1)
        return int((read == torch.tensor([row.told for row in rows])).sum())

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


def _all_right(logits: Tensor, labels: Tensor, owners: Tensor, rows: int) -> Tensor:
    wrong = (logits.argmax(-1) != labels).float()
    return torch.zeros(rows).index_add(0, owners, wrong) == 0
