"""A pocket model twice: loaded by trimtab, and served by vLLM with the plug-in, in one process."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import trimtab as tt
from trimtab.circuits import HeadSet
from trimtab.engine import (
    Edit,
    Encoded,
    Predictor,
    Prompt,
    ReplaceHeads,
    Row,
    ScaleHeads,
    encode,
    generate,
    inputs,
)
from trimtab.items import read_items
from trimtab.items.prompts import prompt_for
from trimtab.models import Model, write_published
from trimtab.serving import ServedModel
from trimtab.serving.settings import Settings, process_bank, process_settings
from trimtab.steering import Artifact, given_vectors
from trimtab.steering.learned_trim.chooser import LearnedTrimChooser

NEW_TOKENS = 12
SIZE = 4.0
"""Length of a vector over the mean length of states, at which answers change and stay answers."""


def artifacts(model: Model) -> dict[str, Artifact | HeadSet]:
    """One artifact of each form that a server offers, of random tensors in the size of the model's states."""
    generator = torch.Generator().manual_seed(0)
    hidden, layers = model.hidden_size, model.n_layers

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    def network(count: int, size: float) -> list[torch.Tensor]:
        parts = (draw(count, 16, hidden) / hidden, draw(count, 16), draw(count, hidden, 16), draw(count, hidden))
        return [parts[0], parts[1], parts[2] * size, parts[3] * size]

    def made(method: str, **parts: Any) -> Artifact:
        return Artifact(method, "image", model.name, model.fingerprint, **parts)

    def heads(first: int, **parts: Any) -> HeadSet:
        own = [(layer, (first + layer) % model.n_heads) for layer in range(first, layers, 2)]
        return HeadSet.of(model, "image", own, instruction=None, **parts)

    middle = layers // 2
    means = draw(2, len(range(2, layers, 2)), model.head_dims[0])
    single = [part[0] for part in network(1, 0.5)]
    learned = LearnedTrimChooser(tuple(range(layers)), "from_last_prompt", *network(layers, 0.1))
    return {
        "all": made("mean", layer=middle, direction=draw(hidden), positions="all", strength=0.5),
        "from-last": made("mean", layer=layers - 1, direction=draw(hidden) * SIZE),
        "last": made("mean", layer=middle, direction=draw(hidden) * SIZE, positions="last_prompt"),
        "generated": made("mean", layer=2, direction=draw(hidden) * 4 * SIZE, positions="generated_only"),
        "network": made("l2s", layer=middle, direction=Predictor(*single)),
        "network-generated": made(
            "amps", layer=middle, direction=Predictor(*single), positions="generated_only", strength=20.0
        ),
        "learned": made("learned_trim", chooser=learned),
        "given": given_vectors(model, {1: draw(hidden), middle + 1: draw(hidden)}, "image", strength=2.0),
        "heads": heads(0, strength=4.0, scope="last"),
        "heads-off": heads(1, strength=-1.0, scope="all"),
        "heads-mean": heads(2, strength=-1.0, scope="all", reference="mean", values=means[:1]),
        "worded": heads(0, strength=4.0),
        "worded-mean": heads(2, strength=-1.0, reference="mean", values=means),
    }


Name = str | tuple[str, ...] | None
"""An artifact's name, several, or none."""
TOGETHER = (
    ("all", "from-last"),
    ("network", "network-generated"),
    ("network-generated", "all", "network"),
    ("learned", "given", "last", "heads"),
    ("heads-off", "heads", "generated"),
    ("heads-mean", "worded-mean", "worded"),
)
"""Artifacts that act together, several at one layer, and where the order tells."""


@dataclass
class Answer:
    """Tokens of an answer, their log-probabilities, and what came with them."""

    tokens: list[int]
    logprobs: list[float]
    receipt: dict[str, Any] | None
    cached: int


@dataclass
class Subject:
    """The model in both forms.

    Attributes:
        model: Loaded by trimtab.
        llm: Served.
        artifacts: By the names that the server has for them.
        folder: Where they are, a folder each.
        prompts: What to ask.
    """

    model: Model
    llm: Any
    artifacts: Mapping[str, Artifact | HeadSet]
    folder: Path
    prompts: Sequence[Prompt]

    def served(self, asked: Sequence[tuple[Prompt | Encoded, Mapping[str, Any] | None]]) -> list[Answer]:
        """Answer prompts, each with its ``vllm_xargs``, by the server."""
        from vllm import SamplingParams  # pyright: ignore[reportMissingImports]

        given = [
            SamplingParams(temperature=0, max_tokens=NEW_TOKENS, logprobs=0, extra_args=None if x is None else dict(x))
            for _prompt, x in asked
        ]
        found = self.llm.generate([self.request(prompt) for prompt, _x in asked], given, use_tqdm=False)
        return [_answer(one) for one in found]

    def offer(self, name: str, source: str) -> None:
        """Write one of the artifacts into the bank's folder under another name, and have the server take it from there.

        What was offered under that name before is replaced.
        """
        folder = self.artifacts[source].save(self.folder / name)
        offer = process_bank().read(name, folder)
        assert self.llm.collective_rpc("trimtab_add", args=(name, str(folder), offer.digest)) == [None]
        for digest in process_bank().put(offer):
            self.llm.collective_rpc("trimtab_remove", args=(digest,))

    def request(self, prompt: Prompt | Encoded) -> dict[str, Any]:
        """Return a prompt as vLLM takes it; one in tokens shows nothing."""
        if isinstance(prompt, Encoded):
            return {"prompt_token_ids": prompt.ids.tolist()}
        content = [{"type": "image"} for _ in prompt.images] + [{"type": "text", "text": prompt.body()[0]}]
        text = self.model.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self.model.chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
        shown = {"multi_modal_data": {"image": list(prompt.images)}} if len(prompt.images) else {}
        return {"prompt": text, **shown}

    def asked(self, prompt: Prompt | Encoded, name: Name, strengths: float | Sequence[float] | None = None) -> Any:
        """Return the ``vllm_xargs`` of a prompt."""
        if name is None:
            return None
        told: dict[str, Any] = {"artifact": name if isinstance(name, str) else list(name)}
        if strengths is not None:
            told["strength"] = strengths
        if isinstance(prompt, Prompt) and "worded" in str(name):
            body, ranges = prompt.body()
            told["question"] = body[slice(*ranges["question"])]
        return told

    def edits(self, name: Name, strengths: Sequence[float | None] = ()) -> tuple[Edit, ...]:
        """Return the edits of artifacts, one after the other."""
        names = () if name is None else (name,) if isinstance(name, str) else name
        own = zip(names, strengths or [None] * len(names), strict=True)
        return tuple(edit for one, strength in own for edit in self.artifacts[one].edits(strength))

    def local(self, prompt: Prompt | Encoded, name: Name, strength: float | None = None) -> Answer:
        """Answer a prompt by Hugging Face's own ``generate``, steered by trimtab."""
        given: Any = inputs(self.model, prompt)
        hf: Any = self.model.hf
        edits = [self._indexed(edit, prompt) for edit in self.edits(name, () if strength is None else (strength,))]
        with tt.applied(self.model, edits):
            found = hf.generate(
                **given, max_new_tokens=NEW_TOKENS, do_sample=False, return_dict_in_generate=True, output_logits=True
            )
        tokens = found.sequences[0, given["input_ids"].shape[1] :].tolist()
        logprobs = [float(step[0].log_softmax(-1)[t]) for step, t in zip(found.logits, tokens, strict=True)]
        return Answer(tokens, logprobs, None, 0)

    def _indexed(self, edit: Edit, prompt: Prompt | Encoded) -> Edit:
        """Return an edit of the question's tokens at their indices, since the model's own call is told no words."""
        if not isinstance(edit, (ScaleHeads, ReplaceHeads)) or "question" not in edit.at:
            return edit
        assert isinstance(prompt, Prompt)
        rest = tuple(place for place in edit.at if place not in ("question", "instruction"))
        return replace(edit, at=(*encode(self.model, prompt).span("question").tolist(), *rest))

    def local_tokens(self, asked: Sequence[tuple[Prompt, Sequence[Edit]]]) -> list[list[int]]:
        """Answer prompts, each with its edits, by the local engine, and return the tokens before a stop."""
        found = generate(self.model, [Row(prompt, tuple(edits)) for prompt, edits in asked], max_new_tokens=NEW_TOKENS)
        return found.tokens


def _answer(found: Any) -> Answer:
    one = found.outputs[0]
    tokens = list(one.token_ids)
    logprobs = [step[token].logprob for step, token in zip(one.logprobs, tokens, strict=True)]
    receipt = (found.kv_transfer_params or {}).get("trimtab")
    return Answer(tokens, logprobs, receipt, found.num_cached_tokens or 0)


def _bytes_of_a_token(model: Model) -> int:
    return 2 * 4 * model.n_layers * model.text_config.num_key_value_heads * model.head_dim


@contextmanager
def made(
    name: str, folder: Path, count: int = 40, *, compiled: bool = False, cached_tokens: int | None = None
) -> Iterator[Subject]:
    """Load a model, write artifacts for it, and serve it with them.

    Args:
        name: The model.
        folder: Where to write.
        count: How many prompts to ask.
        compiled: Whether vLLM is to compile the model's graph.
        cached_tokens: Tokens whose keys and values there is room for; left out, plenty.
    """
    model = tt.load(name, dtype="float32")
    own = artifacts(model)
    for label, artifact in own.items():
        artifact.save(folder / "bank" / label)
    write_published(model, folder / "model")
    facts = ServedModel.of(model).save(folder / "facts.json")
    named = tuple((label, folder / "bank" / label) for label in own)
    os.environ.update(Settings(facts, named, folder / "bank").environment())
    process_settings.cache_clear()  # another model may have been served in this process
    process_bank.cache_clear()
    from vllm import LLM  # pyright: ignore[reportMissingImports]

    llm = LLM(
        model=str(folder / "model"),
        dtype="float32",
        enforce_eager=not compiled,
        max_model_len=512,
        max_num_seqs=6,
        max_num_batched_tokens=64,
        kv_cache_memory_bytes=64 << 20 if cached_tokens is None else cached_tokens * _bytes_of_a_token(model),
        limit_mm_per_prompt={"image": 1, "video": 0},
        block_size=32,
        enable_prefix_caching=True,
        seed=0,
        disable_log_stats=False,
    )
    items = list(read_items("pocket-mc2:test"))[:count]
    yield Subject(model, llm, own, folder / "bank", [prompt_for(item) for item in items])
