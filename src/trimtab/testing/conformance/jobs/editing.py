"""Edits: each acts where its receipt says and nowhere else, and at strength 0 not at all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engine import (
    AddVector,
    BlockAttention,
    BoostAttention,
    Edit,
    FlattenAttention,
    MergeKeys,
    Places,
    Positions,
    Prompt,
    Read,
    RedistributeAttention,
    ReplaceHeads,
    ReplaceStates,
    Row,
    ScaleHeads,
    applied,
    encode,
    generate,
    run,
)
from trimtab.models import Model
from trimtab.testing.conformance.comparing import LEAST, equal, moved, same
from trimtab.testing.conformance.outcomes import NotApplicableError, job
from trimtab.testing.conformance.subject import Subject

NEW = 4
"""Tokens of an answer."""
END: Places = ("last", "generated")


def same_ways(model: Model, rows: Sequence[Row]) -> None:
    """Say that rows give the answers and logits of the plain reference.

    Raises:
        AssertionError: They do not, with the numbers.
    """
    same("logits", run(model, rows).logits, run(model, rows, reuse=False).logits)
    tokens = [generate(model, rows, max_new_tokens=NEW, reuse=reuse).tokens for reuse in (True, False)]
    equal("answers", *tokens)


def _changes_only(subject: Subject, edit: Edit, layer: int, touched: Sequence[int]) -> None:
    """An edit inside a layer must change that layer's output at some tokens alone, and count them."""
    model, read = subject.model, Read(hidden=(layer,), at="all")
    plain = run(model, [subject.prompt], read).hidden[layer][0]
    found = run(model, [Row(subject.prompt, (edit,))], read)
    change, what = (found.hidden[layer][0] - plain).abs().amax(-1), f"{edit.name} at layer {layer}"
    scale, rest = max(float(plain.abs().max()), 1.0), torch.ones(len(change), dtype=torch.bool)
    rest[list(touched)] = False
    same(f"{what}, elsewhere", change[rest] / scale, torch.zeros(int(rest.sum())))
    least = float(change[list(touched)].min()) / scale
    assert least > LEAST / 10, f"{what}: a change of {least:.2g} where it acts"
    [entry] = found.receipt.table()
    equal(f"receipt of {what}", (entry["layer"], entry["prompt_positions"]), (layer, len(touched)))


@job
def add_vector(subject: Subject) -> None:
    """A vector is added after an early, a middle and the last layer, at the tokens that its rule names, once."""
    model, prompt, vector = subject.model, subject.prompt, subject.vector()
    length = len(encode(model, prompt))
    for layer in subject.layers:
        read = Read(hidden=(layer,), at="all")
        plain, edits = run(model, [prompt], read), []
        end, whole = [length - 1], list(range(length))
        rules: dict[Positions, list[int]] = {"from_last_prompt": end, "last_prompt": end, "all": whole}
        for positions, at in rules.items():
            edits.append(AddVector(layer, vector, 2.0, positions))
            found = run(model, [Row(prompt, (edits[-1],))], read)
            expected = torch.zeros(length, model.hidden_size)
            expected[at] = 2 * vector
            change, scale = found.hidden[layer][0] - plain.hidden[layer][0], float(plain.hidden[layer][0].abs().max())
            same(f"change of layer {layer}, {positions}", change / max(scale, 1), expected / max(scale, 1))
            moved(f"logits, layer {layer}, {positions}", found.logits[0][-1:], plain.logits[0][-1:])
            [entry] = found.receipt.table()
            equal("receipt", (entry["layer"], entry["prompt_positions"]), (layer, len(at)))
        same_ways(model, [Row(prompt, (edit,)) for edit in edits])
    _while_generating(model, prompt, 20 * vector)


def _while_generating(model: Model, prompt: Prompt, vector: Tensor) -> None:
    layer, plain = model.n_layers // 2, generate(model, [prompt], max_new_tokens=NEW).tokens[0]
    rules: tuple[Positions, ...] = ("generated_only", "last_prompt", "from_last_prompt")
    rows = [Row(prompt, (AddVector(layer, vector, 1.0, positions),)) for positions in rules]
    later, once, always = (generate(model, [row], max_new_tokens=NEW) for row in rows)
    equal("first token, generated tokens edited alone", later.tokens[0][0], plain[0])
    equal("first token, last prompt token edited", once.tokens[0][0], always.tokens[0][0])
    counts = [(e["prompt_positions"], e["generated_positions"] > 0) for f in (later, once) for e in f.receipt.table()]
    equal("receipts", counts, [(0, len(plain) > 1), (1, False)])


@job
def scale_heads(subject: Subject) -> None:
    """A silenced head is one whose columns of the output projection are zero; a scaled one changes alone."""
    model, prompt = subject.model, subject.prompt
    encoded, head = encode(model, prompt), subject.heads[1]
    for layer in subject.attending:
        width = model.head_dims[layer]
        silent = run(model, [Row(prompt, (ScaleHeads(layer, (head,), ("all",)),))]).logits[0]
        weight: Tensor = model.head_outputs[layer].get_parameter("weight")
        before, columns = weight.detach().clone(), slice(head * width, (head + 1) * width)
        try:
            weight.data[:, columns] = 0
            same(f"logits, layer {layer}", silent, subject.own_logits(prompt)[-1])
        finally:
            weight.data.copy_(before)
        read = Read(logits=False, heads=(layer,), at="all")
        expected = run(model, [prompt], read).heads[layer][0].clone()
        at = torch.cat([encoded.span("instruction"), encoded.span("last")])
        found = run(model, [Row(prompt, (ScaleHeads(layer, (head,), ("instruction", "last"), 3.0),))], read)
        expected[at, head] *= 3
        same(f"heads of layer {layer}", found.heads[layer][0], expected)
        equal("receipt", found.receipt.table()[0]["prompt_positions"], len(at))


@job
def replace_heads(subject: Subject) -> None:
    """A head puts out what it is given; given its own output, nothing changes."""
    model, prompt, heads = subject.model, subject.prompt, list(subject.heads)
    drawn = torch.randn(len(heads), max(model.head_dims), generator=torch.Generator().manual_seed(0))
    plain = run(model, [prompt], Read(heads=subject.attending))
    rows = []
    for layer in subject.attending:
        own, values = plain.heads[layer][0][heads], drawn[:, : model.head_dims[layer]]
        rows.append(Row(prompt, (ReplaceHeads(layer, subject.heads, END, values),)))
        kept = Row(prompt, (ReplaceHeads(layer, subject.heads, ("last",), own),))
        same(f"logits with the heads' own outputs, layer {layer}", run(model, [kept]).logits, plain.logits)
        found = run(model, rows[-1:], Read(heads=(layer,)))
        same(f"heads of layer {layer}", found.heads[layer][0][heads], values)
        moved(f"logits, layer {layer}", found.logits, plain.logits)
    same_ways(model, rows)


@job
def block_attention(subject: Subject) -> None:
    """With all edges from a medium cut the answer cannot depend on it; cut in a layer, their targets change alone."""
    model, kind = subject.model, subject.kinds[0]
    behind = subject.behind(encode(model, subject.prompt), kind)
    edits = [BlockAttention((kind,), behind, (layer,)) for layer in subject.attending]
    for layer, edit in zip(subject.attending, edits, strict=True):
        _changes_only(subject, edit, layer, behind)
    same_ways(model, [Row(subject.prompt, (edit,)) for edit in edits])
    if not model.recurrent:  # a state carries what is shown past all edges
        _blinded(subject)


def _blinded(subject: Subject) -> None:
    model, kind, every = subject.model, subject.kinds[0], range(subject.model.n_layers)
    prompts = [subject.prompt.with_media(kind, [subject.medium(kind, seed)]) for seed in (0, 1)]
    encoded = encode(model, prompts[0])
    shown = encoded.spans[kind].tolist()
    rest = tuple(token for token in range(shown[0], len(encoded)) if token not in shown)
    most = tuple(layer for layer in every if layer != subject.widest)
    blind = run(model, [Row(p, (BlockAttention((kind,), rest, tuple(every)),)) for p in prompts]).logits
    seen = run(model, [Row(p, (BlockAttention((kind,), rest, most),)) for p in prompts]).logits
    same("logits of two media, all edges cut", blind[0], blind[1])
    moved("logits of two media, edges of one layer left", seen[:1], seen[1:])


@job
def attention_scores(subject: Subject) -> None:
    """Boosted, flattened and redistributed attention changes its targets alone, from a cache as without one."""
    model, kind = subject.model, subject.kinds[0]
    behind = subject.behind(encode(model, subject.prompt), kind)
    rows = []
    for layer in subject.attending:
        for edit in _of_scores(kind, layer, 0.8, behind, sink=behind[0]):  # a sink that all of them see
            _changes_only(subject, edit, layer, behind)
        rows += [Row(subject.prompt, (edit,)) for edit in _of_scores(kind, layer, 0.8, END, sink=behind[0])]
        rows.append(Row(subject.prompt, (MergeKeys((kind,), END, (layer,), 1.0, kept=0.5),)))
    same_ways(model, rows)


def _of_scores(kind: str, layer: int, strength: float, at: Places, sink: int = 0) -> list[Edit]:
    moving = RedistributeAttention((kind,), at, (layer,), strength, (sink,), min_attention=0.0, max_sink_share=1.0)
    return [
        BoostAttention((kind,), at, (layer,), strength),
        FlattenAttention((kind,), at, (layer,), strength),
        moving,
    ]


@job
def strength_0(subject: Subject) -> None:
    """At strength 0, and heads times 1, logits and answers are those of the unedited model."""
    model, kind, layer = subject.model, subject.kinds[0], subject.attending[0]
    plain = torch.cat([run(model, [prompt]).logits for prompt in subject.prompts])
    for positions in ("all", "from_last_prompt", "last_prompt"):
        edits = (
            AddVector(layer, subject.vector(), 0.0, positions),
            ScaleHeads(layer, subject.heads, ("all",), 1.0),
            ReplaceStates(layer, subject.vector()[None], ("last",), 0.0),
        )
        rows = [Row(prompt, edits) for prompt in subject.prompts]
        equal(f"logits, {positions}", torch.cat([run(model, [row]).logits for row in rows]), plain)
    answers = generate(model, subject.prompts, max_new_tokens=NEW).tokens
    equal("answers", generate(model, rows, max_new_tokens=NEW).tokens, answers)
    scores = [Row(subject.prompt, (edit,)) for edit in _of_scores(kind, layer, 0.0, END)]
    same("logits with scores edited", run(model, scores).logits, plain[:1].expand(len(scores), -1))


@job
def applied_block(subject: Subject) -> None:
    """Inside ``with applied(model, edits)`` the model's own generate is edited as ours is; behind it nothing is."""
    model, prompt, kind = subject.model, subject.prompt, subject.kinds[0]
    encoded = encode(model, prompt)
    layers = subject.attending
    edits: list[Edit] = [
        AddVector(model.n_layers // 2, 5.0 * subject.vector(), 1.0, "all"),
        ScaleHeads(layers[-1], subject.heads, ("last", "generated"), 4.0),
        BlockAttention((kind,), ("last", "generated"), layers),
    ]
    expected = generate(model, [Row(prompt, tuple(edits))], max_new_tokens=NEW).tokens
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    before = subject.own_logits(encoded)
    with applied(model, edits) as receipt:
        ours = generate(model, [prompt], max_new_tokens=NEW).tokens
        # A cache that drops what layers with windows no longer see has too few keys for edges to be cut.
        cache = model.family.cache(model.hf)
        native = model.hf.generate(**given, past_key_values=cache, max_new_tokens=NEW, do_sample=False)
    equal("our answer", ours, expected)
    equal("the model's own answer", native[0, len(encoded) :].tolist()[: len(ours[0])], ours[0])
    counts = {entry["edit"]: entry["prompt_positions"] for entry in receipt.table()}
    equal("receipt", counts["AddVector(all)"], 2 * len(encoded))  # once by the engine, once by the model itself
    equal("logits after the block", subject.own_logits(encoded), before)


@job
def counterfactual(subject: Subject) -> None:
    """Pictures with their patches weighted otherwise change the answer, as in the plain reference."""
    model = subject.model
    if "image" not in subject.kinds:
        raise NotApplicableError("the model takes no pictures")
    prompts = [p for p in subject.prompts if "image" in p.media]
    rows = [*prompts, *(p.with_image_counterfactual("shuffle") for p in prompts)]
    found = run(model, rows).logits
    same("logits", found, run(model, rows, reuse=False).logits)
    moved("logits", *found.chunk(2))
