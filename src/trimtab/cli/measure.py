"""``trimtab measure``: how much each modality contributes to a model's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars
from trimtab.cli.early import check_model, check_out_file
from trimtab.cli.inputs import instruction_text, load_items, load_model, read_options, say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import (
    DataSource,
    Images,
    InstructionText,
    Json,
    Limit,
    MethodOptions,
    ModelName,
    Seed,
    SkipMissing,
    Split,
)
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.contribution import AnswerTrace, Contributions, Method
    from trimtab.items import Item
    from trimtab.models import Model


@loads
def measure(
    model: ModelName,
    data: DataSource,
    method: Annotated[str, typer.Option(help="mcs, shapley, ablation, attention or gradient.")] = "mcs",
    paper: Annotated[bool, typer.Option("--paper", help="Start from AMPS's Algorithm 1 as it stands.")] = False,
    option: MethodOptions = None,
    instruction: InstructionText = None,
    trace: Annotated[
        str | None, typer.Option(metavar="ITEM", help="Follow one item's answer token by token; give the item's id.")
    ] = None,
    limit: Limit = None,
    split: Split = None,
    images: Images = None,
    skip_missing: SkipMissing = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .parquet file for a row an item; with --trace also a .png for a figure; or a folder for rows, "
            "figure and report, where a measurement that was stopped goes on."
        ),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Measure, for each item, how much image and text contribute to the answer; items need not be in conflict."""
    how = chosen_method(method, paper, option or [], seed)
    _check_out(out, trace is not None)
    check_model(model, loading)
    items = load_items(
        data, split=split, images=images, skip_missing=skip_missing, limit=None if trace else limit, seed=seed
    )
    loaded = load_model(model, loading)
    sentence = instruction_text(instruction)
    if trace is not None:
        _trace(loaded, items, trace, sentence, how, out, json)
        return
    settings = {"model": loaded.name, "data": data, "method": method, "options": asdict(how), "instruction": sentence}  # pyright: ignore
    if out is None or out.suffix == ".parquet":
        found = _all_at_once(loaded, items, sentence, how)
        if out is not None:
            _write_rows(found, out)
    else:
        found = _in_folder(loaded, items, sentence, how, out, {**settings, "items": len(items), "split": split})
    say_skipped(len(found.skipped), data)
    if not found:
        raise UsageError(f"`DATA` of measure must hold an item that can be measured; {found.skipped[0].reason}")
    rows = ratios(found, seed)
    if json:
        print_json({**settings, "skipped": len(found.skipped), "ratios": rows, "items": found.rows()})
        return
    print_table(
        f"Visual ratio of {loaded.name}: the image's share of both contributions ({method})",
        ["task", "items", "ratio", "95 % interval"],
        [[r["task"], str(r["n"]), f"{r['ratio']:.3f}", f"{r['ratio_low']:.3f} to {r['ratio_high']:.3f}"] for r in rows],
    )
    if method == "mcs":
        print_line(SENSITIVITY)
    if out is not None:
        print_line(f"Report: {out / 'report.html'}" if out.is_dir() else f"Items: {out}")


def chosen_method(name: str, paper: bool, options: Sequence[str], seed: int) -> Method:
    """Make a method from its name and ``NAME=VALUE`` options, values written as in YAML.

    Raises:
        UsageError: There is no such method, or it has no such option.
    """
    from trimtab.contribution import MCS, METHODS

    make: Any = METHODS.named(name, "`--method`")
    if paper and name != MCS.name:
        raise UsageError(f"`--paper` needs method {MCS.name}; got {name!r}; leave one of them out.")
    known = [field.name for field in fields(make)]
    values: dict[str, Any] = {"seed": seed} if "seed" in known else {}
    for key, value in read_options(options).items():
        if key not in known:
            raise UsageError(f"`--option` of method {name} must have a NAME among {', '.join(known)}; got {key!r}.")
        values[key] = tuple(value) if isinstance(value, list) else value
    return make.paper(**values) if paper else make(**values)


def ratios(found: Contributions, seed: int) -> list[dict[str, Any]]:
    """Average visual ratios by task, with intervals."""
    from trimtab.studies import contribution_rates

    return contribution_rates(found.rows(), seed)


def _all_at_once(model: Model, items: Sequence[Item], instruction: str | None, method: Method) -> Contributions:
    from trimtab.contribution import measure

    with progress_bars() as bars:
        return measure(model, items, instruction=instruction, method=method, progress=bars)


def _write_rows(found: Contributions, path: Path) -> None:
    from trimtab.files import write_whole

    write_whole(path, lambda part: found.table().to_parquet(part, index=False))


SENSITIVITY = (
    "The ratio says how sensitive the answer is to image and text, not which of them it comes from; for that use "
    "--method shapley."
)
CHUNK = 64
"""Items of a step that is stored when done and not measured again."""


def _in_folder(
    model: Model, items: Sequence[Item], instruction: str | None, method: Method, out: Path, settings: dict[str, Any]
) -> Contributions:
    """Measure step by step into a run folder, and write rows, summary, figure and report."""
    import json

    from trimtab.contribution import Contributions, measure
    from trimtab.items import Skipped, items_fingerprint
    from trimtab.report import write_measured
    from trimtab.studies.kit.provenance import computed_in, git_commit, hardware, versions
    from trimtab.studies.kit.run_folder import ITEMS, PROVENANCE, RunFolder, StepResult

    identity = {"fingerprints": [model.fingerprint, items_fingerprint(items)], "computed_in": computed_in([model])}
    found = Contributions()
    with (
        RunFolder(out, {**settings, **identity}) as folder,
        progress_bars() as bars,
        bars.task("contribution", len(items)) as advance,
    ):
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]

            def compute(chunk: Sequence[Item] = chunk) -> StepResult:
                model.forget_media()  # what earlier steps left in memory must not show in a later one
                measured = measure(model, chunk, instruction=instruction, method=method)
                return StepResult(measured.table(), {"skipped": [list(s) for s in measured.skipped]})

            step = folder.step(f"contribution-{start // CHUNK:04d}", compute)
            found.extend(Contributions.from_rows(step.table.to_dict("records")))  # pyright: ignore[reportArgumentType]
            found.skipped += [Skipped(start + row, reason) for row, reason in step.notes["skipped"]]
            advance(len(chunk))
        _write_rows(found, out / ITEMS)
        about = {"versions": versions(), "commit": git_commit(), "hardware": hardware([model])}
        folder.write(PROVENANCE, json.dumps({**about, "steps": folder.steps()}, indent=1) + "\n")
        write_measured(out, settings, found)
    return found


def _trace(
    model: Model,
    items: Sequence[Item],
    wanted: str,
    instruction: str | None,
    method: Method,
    out: Path | None,
    json: bool,
) -> None:
    """Follow one item's answer and show it."""
    from trimtab.contribution import MCS, trace

    item = next((item for item in items if item.id == wanted), None)
    if item is None:
        raise UsageError(f"`--trace` must be the id of one of the {len(items)} items; got {wanted!r}.")
    if not isinstance(method, MCS):
        raise UsageError(f"`--trace` needs method {MCS.name}; got {method.name!r}; leave it out.")
    found = trace(model, item, instruction=instruction, config=method)
    if out is not None:
        _write_trace(found, out)
    if json:
        print_json({"model": model.name, "item": item.id, "steps": found.rows()})
        return
    print_table(
        f"Visual ratio of {model.name} along its answer to item {item.id}",
        ["token", "image", "text", "ratio"],
        [[repr(r["token"]), f"{r['image']:.3g}", f"{r['text']:.3g}", f"{r['ratio']:.3f}"] for r in found.rows()],
    )


def _check_out(out: Path | None, traced: bool) -> None:
    from trimtab.studies.kit.run_folder import check_run_folder

    if traced and out is not None and out.suffix not in (".parquet", ".png"):
        raise UsageError(f"`--out` with --trace must end in .parquet or .png; got '{out}'.")
    if out is None or traced or out.suffix == ".parquet":
        check_out_file(out)
    else:
        check_run_folder(out, "`--out`")


def _write_trace(found: AnswerTrace, out: Path) -> None:
    from trimtab.files import write_whole
    from trimtab.report import trace_figure

    if out.suffix == ".png":
        write_whole(out, lambda part: trace_figure(found).savefig(part, format="png"))
    else:
        write_whole(out, lambda part: found.table().to_parquet(part, index=False))
