"""``trimtab fit``: learn to steer a model and save the artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.console import print_json, print_line, progress_bars
from trimtab.cli.early import check_model
from trimtab.cli.inputs import load_engine, read_options
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import DataSource, Json, MethodName, MethodOptions, ModelName, Seed, Target
from trimtab.cli.reading import Reading, reads
from trimtab.cli.workers import Over, works

if TYPE_CHECKING:
    from trimtab.steering import Artifact, Method


@reads
@works
@loads
def fit(
    method: MethodName,
    model: ModelName,
    data: DataSource,
    target: Target,
    out: Annotated[Path | None, typer.Option(help="Artifact folder; METHOD-TARGET if left out.")] = None,
    layer: Annotated[
        list[int] | None,
        typer.Option(
            help="Layer to steer, counted from 0; half the depth if left out. Give several to choose with --validation."
        ),
    ] = None,
    strength: Annotated[
        list[float] | None, typer.Option(help="Strengths to choose among on the validation items.")
    ] = None,
    validation: Annotated[
        str | None, typer.Option(metavar="DATA", help="Choose layer and strength on these items.")
    ] = None,
    *,
    reading: Reading,
    option: MethodOptions = None,
    seed: Seed = 0,
    json: Json = False,
    loading: Loading,
    over: Over,
) -> None:
    """Fit a steering method on conflict items and save it as an artifact."""
    from trimtab.artifact_folder import check_replaceable
    from trimtab.errors import UsageError
    from trimtab.file_names import file_name
    from trimtab.steering import tune

    layers = layer or []
    prepared = _method(method, target, layers, seed, option or [])
    if validation is None and ((len(layers) > 1 and prepared.adds_vector) or strength):
        raise UsageError(
            "`--layer` and `--strength` of fit must be chosen on items if several are given; add --validation."
        )
    home = out or Path(f"{file_name(method)}-{target}")
    check_replaceable(home, "`--out`")
    check_model(model, loading)
    items = reading.items(data, seed)
    chosen_by = None
    if validation is not None:
        chosen_by = replace(reading, split=None).items(validation, seed)
    loaded = load_engine(model, loading, over)
    with progress_bars() as bars, bars.task(f"fit {method} for {target}", len(items)) as advance:
        if chosen_by is None:
            artifact = prepared.fit(loaded, items)
        else:
            choices: dict[str, Any] = {"strengths": strength} if strength else {}
            artifact = tune(prepared, loaded, items, chosen_by, layers or None, **choices)
        advance(len(items))
    folder = artifact.save(home)
    _tell(artifact, folder, json)


def _tell(artifact: Artifact, folder: Path, json: bool) -> None:
    """Print what was learned, and where it is."""
    if json:
        print_json(
            {
                "artifact": str(folder),
                "method": artifact.method,
                "target": artifact.target,
                "layer": artifact.layer,
                "strength": artifact.strength,
                "metrics": artifact.metrics,
            }
        )
        return
    where = "" if artifact.layer is None else f", layer {artifact.layer}, strength {artifact.strength:g}"
    print_line(f"{artifact.method} for {artifact.target}{where}: {folder}")


def _method(name: str, target: str, layers: list[int], seed: int, options: list[str]) -> Method:
    """Make a method of its name and options; layer and seed go to the methods that have them."""
    import dataclasses

    from trimtab.errors import UsageError
    from trimtab.steering import METHODS, make_method

    known = {field.name for field in dataclasses.fields(METHODS[name])} if name in METHODS else set()
    given_layers = {"layer": layers[0] if len(layers) == 1 else None, "layers": layers} if layers else {}
    if layers and known and not known & set(given_layers):
        raise UsageError(f"`--layer` of fit must be left out for {name!r}, which works at no layer; got {layers}.")
    chosen: dict[str, Any] = {key: value for key, value in {**given_layers, "seed": seed}.items() if key in known}
    return make_method(name, {"target": target, **chosen, **read_options(options)})
