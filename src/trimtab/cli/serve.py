"""``trimtab serve``: vLLM's own OpenAI server, in which requests can be steered."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.console import remark
from trimtab.cli.early import check_artifacts, check_model
from trimtab.cli.inputs import load_model
from trimtab.cli.loading import Dtype
from trimtab.cli.options import ModelName


def serve(
    model: ModelName,
    options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- OPTIONS OF VLLM]", help="What else vllm serve is told, such as -- --max-model-len 4096."
        ),
    ] = None,
    artifact: Annotated[
        list[Path] | None, typer.Option(help="Artifact folder that requests may name; repeatable.")
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="Folder of artifacts that operators may add while the server runs.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    dtype: Annotated[Dtype | None, typer.Option(help="Number format; the checkpoint's own if left out.")] = None,
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Have vLLM compile the model: the start takes longer.")
    ] = False,
    media_domain: Annotated[
        list[str] | None,
        typer.Option(help="Host that pictures may be fetched from; repeatable. Left out, none may."),
    ] = None,
    max_request_mb: Annotated[int, typer.Option(min=1, help="Longest request, in megabytes.")] = 64,
) -> None:
    """Serve a model by vLLM, and steer each request by the artifact that it names.

    Keys are read from the environment: TRIMTAB_API_KEY for requests, TRIMTAB_OPERATOR_KEY to change the artifacts.
    """
    from trimtab.errors import MissingDependencyError
    from trimtab.serving.launching import OWN_FILES, Launch, prepare, vllm_installed

    if not vllm_installed():
        raise MissingDependencyError(
            "vllm is needed and not installed; it wants an environment of its own, which docs/serving.md makes in one "
            "command."
        )
    check_artifacts(artifact or [])
    check_model(model, {})
    loaded = load_model(model, {"device": "cpu"})
    number_type = str(dtype) if dtype else loaded.report.dtype
    files = Path(tempfile.mkdtemp(prefix="trimtab-serve-"))
    try:
        prepared = prepare(loaded, artifact or [], bank, files, number_type, max_request_mb << 20)
    except BaseException:
        shutil.rmtree(files)
        raise
    name = Path(model).name if Path(model).is_dir() else model
    launch = Launch(name, *prepared, host, port, number_type, tuple(media_domain or ()), compiled, tuple(options or ()))
    remark(f"Starting vLLM at http://{host}:{port}/v1; it takes half a minute or more.")
    become(launch.arguments(), launch.environment(os.environ) | {OWN_FILES: str(files)})


def become(arguments: list[str], environment: dict[str, str]) -> Any:
    """Replace this process by the server: what was loaded here is let go, and signals reach the server itself."""
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "trimtab.serving.server", *arguments], environment)
