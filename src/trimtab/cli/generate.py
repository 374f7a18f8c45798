"""``trimtab generate``: one question, one answer, steered or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.console import print_json, print_line, remark
from trimtab.cli.inputs import load_model
from trimtab.cli.options import Json, ModelName


def generate(
    model: ModelName,
    question: Annotated[str, typer.Option(help="What to ask.")],
    image: Annotated[Path | None, typer.Option(help="Picture file.")] = None,
    context: Annotated[str | None, typer.Option(help="Text context.")] = None,
    instruction: Annotated[
        str | None, typer.Option(help="image, text, or a sentence of your own that names the modality to follow.")
    ] = None,
    artifact: Annotated[Path | None, typer.Option(help="Artifact folder to steer with.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="Strength; the artifact's own if left out, 0 for none.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer in tokens.")] = 16,
    json: Json = False,
) -> None:
    """Answer one question about a picture and a text context."""
    from trimtab.data.prompts import INSTRUCTIONS
    from trimtab.engine import Prompt, Row
    from trimtab.errors import UsageError
    from trimtab.steering import Ask, answer
    from trimtab.study.artifacts import load_any_artifact

    if artifact is None and strength is not None:
        raise UsageError("`--strength` of generate must come with an artifact to steer with; add --artifact.")
    named = {modality: sentence for modality, sentence in INSTRUCTIONS.items() if modality == instruction}
    prompt = Prompt(
        question=question,
        images=image,
        context=context,
        instruction=next(iter(named.values()), instruction),
    )
    loaded = load_model(model)
    asks: Sequence[Ask] = [Row(prompt)]
    if artifact is not None:
        asks = load_any_artifact(artifact, loaded).asks(loaded, [prompt], strength)
    found = answer(loaded, asks, max_new_tokens=max_new_tokens)
    if json:
        print_json(
            {
                "model": loaded.name,
                "answer": found.texts[0],
                "tokens": found.tokens[0],
                "finished": found.finished[0],
                "receipt": found.receipt.table(),
            }
        )
        return
    print_line(found.texts[0])
    if artifact is not None:
        remark(f"Receipt: {found.receipt}")
