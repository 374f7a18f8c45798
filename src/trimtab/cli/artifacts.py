"""``trimtab artifacts``: to other tools and from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.console import print_json, print_line
from trimtab.cli.early import check_artifacts, check_model, check_out_file
from trimtab.cli.inputs import load_model
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json, ModelName, Target
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.engine import Positions

artifacts_app = typer.Typer(no_args_is_help=True, help="Exchange steering vectors with other tools.")

Where = Annotated[
    str | None,
    typer.Option(help="Where vectors are added: all, from_last_prompt, last_prompt or generated_only."),
]


@artifacts_app.command(
    "export",
    epilog="Example: trimtab artifacts export mean-image pocket-qwen mean.gguf --format gguf --positions all",
)
@loads
def export_artifact(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="The artifact's folder.")],
    model: ModelName,
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    format: Annotated[
        str, typer.Option(help="gguf, hotwire or steering-vectors; docs/exchange.md has what each says.")
    ],
    positions: Where = None,
    strength: Annotated[float | None, typer.Option(help="The strength to multiply in; if left out, its own.")] = None,
    json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Write an artifact's vectors for repeng, llama.cpp, hotwire or steering-vectors, and say what is lost."""
    from trimtab.artifacts import load_artifact
    from trimtab.integrations.vectors import FORMATS, export_vectors
    from trimtab.models import Model

    FORMATS.named(format, "`--format`")
    where = _positions(positions)
    check_out_file(path, "PATH")
    check_artifacts([artifact])
    check_model(model, loading)
    loaded = load_model(model, loading)
    found = load_artifact(artifact, loaded)
    if isinstance(found, Model):
        raise UsageError(
            f"`ARTIFACT` of artifacts export must hold vectors; {artifact} holds adapters; use peft's own."
        )
    done = export_vectors(found, loaded, path, format, positions=where, strength=strength)
    if json:
        print_json({"path": str(done.path), "lost": done.lost, "use": done.use})
        return
    print_line(f"{artifact}: {done.path}")
    _tell_lost("lost", done.lost)
    print_line(f"Use it by: {done.use}")


@artifacts_app.command(
    "import", epilog="Example: trimtab artifacts import happy.gguf pocket-qwen --target image --out happy"
)
@loads
def import_artifact(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file or folder of another tool.")],
    model: ModelName,
    target: Target,
    out: Annotated[
        Path | None, typer.Option(help="Artifact folder; the file's name without its ending if left out.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="gguf, hotwire, steering-vectors or repsteer; if left out, by what is there.")
    ] = None,
    layer: Annotated[
        list[int] | None, typer.Option(help="Take only this layer, counted from 0; repeatable. All if left out.")
    ] = None,
    positions: Where = None,
    json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Make an artifact of another tool's vectors: repeng, llama.cpp, hotwire, steering-vectors or repsteer."""
    from trimtab.artifact_folder import check_replaceable
    from trimtab.errors import ArtifactError
    from trimtab.integrations.vectors import FORMATS, import_vectors

    if format is not None:
        FORMATS.named(format, "`--format`")
    where = _positions(positions)
    if not file.exists():
        raise ArtifactError(f"`FILE` of artifacts import must be there; there is no {file}; check the path.")
    home = out or Path(file.stem)
    check_replaceable(home, "`--out`")
    check_model(model, loading)
    loaded = load_model(model, loading)
    made = import_vectors(file, loaded, target, format=format, layers=layer or None, positions=where)
    folder, told = made.save(home), made.metrics["import"]
    if json:
        print_json(
            {
                "artifact": str(folder),
                "layers": [layer for edit in made.edits() for layer in edit.at_layers(loaded)],
                **told,
            }
        )
        return
    print_line(f"{made.label}, of {told['format']}: {folder}")
    _tell_lost("not in the file", told["unsaid"])


@artifacts_app.command("push", epilog="Example: trimtab artifacts push mean-image my-name/mean-image --private")
def push_artifact(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An artifact, or a run folder with its report.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hub; it is made if there is none.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private.")] = False,
    json: Json = False,
) -> None:
    """Put an artifact, or the report of a run, on the Hugging Face Hub; log in by `hf auth login` first."""
    from trimtab.integrations.hub import push_to_hub

    address = push_to_hub(folder, repo, private=private)
    if json:
        print_json({"folder": str(folder), "repo": repo, "address": address})
    else:
        print_line(f"{folder}: {address}")


@artifacts_app.command("pull", epilog="Example: trimtab artifacts pull my-name/mean-image mean-image")
def pull_artifact(
    repo: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hub.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to make of it.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.")] = None,
    json: Json = False,
) -> None:
    """Download an artifact from the Hugging Face Hub into a folder, for --artifact of other verbs."""
    from trimtab.errors import RunFolderError
    from trimtab.files import check_writable
    from trimtab.integrations.hub import pull

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"`FOLDER` of artifacts pull must be new or empty; {folder} is neither; choose another.")
    check_writable(folder, "`FOLDER`")
    found = pull(repo, folder, revision=revision)
    if json:
        print_json({"repo": repo, "artifact": str(found)})
    else:
        print_line(f"{repo}: {found}")


def _tell_lost(what: str, lost: Iterable[str]) -> None:
    for one in lost:
        print_line(f"  {what}: {one}")


def _positions(given: str | None) -> Positions | None:
    from trimtab.engine import POSITIONS

    for known in POSITIONS:
        if given == known:
            return known
    if given is None:
        return None
    raise UsageError(f"`--positions` must be one of {', '.join(POSITIONS)}; got {given!r}.")
