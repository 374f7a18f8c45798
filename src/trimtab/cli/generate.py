"""``trimtab generate``: one question, one answer, steered or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.console import print_json, print_line, remark
from trimtab.cli.early import check_artifacts, check_engine
from trimtab.cli.inputs import instruction_text, load_or_connect
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import InstructionText, Json, MaxNewTokens, ModelOrServer, Seed
from trimtab.cli.showing import Shown, shows

if TYPE_CHECKING:
    from trimtab.engine import Answers


@loads
@shows
def generate(
    model: ModelOrServer,
    question: Annotated[str, typer.Option(help="What to ask.")],
    *,
    shown: Shown,
    context: Annotated[str | None, typer.Option(help="Text context.")] = None,
    instruction: InstructionText = None,
    artifact: Annotated[Path | None, typer.Option(help="Folder of the artifact to steer with.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="Strength of steering; the artifact's own if left out, 0 for none.")
    ] = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Annotated[
        float, typer.Option(help="Sample at this temperature; 0 takes the most probable token each time.")
    ] = 0.0,
    top_p: Annotated[
        float | None, typer.Option(help="Sample among the most probable tokens that together have this probability.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    loading: Loading,
) -> None:
    """Answer one question about a picture, a sound or a clip, and a text context."""
    from trimtab.engine import Decoding, Prompt, Row
    from trimtab.engine import generate as answer
    from trimtab.errors import UsageError
    from trimtab.fields import check_value
    from trimtab.steering import Ask
    from trimtab.studies.kit.artifacts import load_any_artifact
    from trimtab.studies.kit.length import answer_length

    if artifact is None and strength is not None:
        raise UsageError("`--strength` of generate must come with an artifact to steer with; add --artifact.")
    if strength is not None:
        check_value("--strength", "generate", float, strength)
    decoding = Decoding(temperature=temperature, top_p=top_p, seed=seed)
    prompt = Prompt(
        question=question,
        context=context,
        media=shown,
        instruction=instruction_text(instruction),
    )
    check_artifacts([] if artifact is None else [artifact])
    check_engine(model, loading)
    loaded = load_or_connect(model, loading)
    asks: Sequence[Ask] = [Row(prompt)]
    if artifact is not None:
        asks = load_any_artifact(artifact, loaded).asks(loaded, [prompt], strength)
    longest = max_new_tokens or answer_length([loaded.name])
    found = answer(loaded, asks, max_new_tokens=longest, decoding=decoding)
    _tell(loaded.name, found, longest, artifact is not None, json)


def _tell(model: str, found: Answers, longest: int, steered: bool, json: bool) -> None:
    """Print the answer, and what happened to it."""
    if json:
        print_json(
            {
                "model": model,
                "answer": found.texts[0],
                "tokens": found.tokens[0],
                "finished": found.finished[0],
                "receipt": found.receipt.table(),
            }
        )
        return
    print_line(found.texts[0])
    if not found.finished[0]:
        remark(f"The answer was cut at {longest} tokens; --max-new-tokens allows more.")
    if steered:
        remark(f"Receipt: {found.receipt}")
