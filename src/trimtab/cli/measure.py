"""``trimtab measure``: how much each modality contributes to a model's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars
from trimtab.cli.early import check_model, check_out_file, is_server
from trimtab.cli.inputs import instruction_text, limited, load_engine, read_options, say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import DataSource, InstructionText, Json, MethodOptions, ModelName, Seed
from trimtab.cli.reading import Reading, reads
from trimtab.cli.running import run_plan, tell
from trimtab.cli.shown import print_measurement
from trimtab.cli.workers import Over, works
from trimtab.errors import UsageError
from trimtab.modalities import PAIR, Modality
from trimtab.nearest import did_you_mean

if TYPE_CHECKING:
    from trimtab.contribution import AnswerTrace, Method
    from trimtab.engine import Cluster, Fleet
    from trimtab.items import Items
    from trimtab.models import Model
    from trimtab.studies.measurement import MeasurementPlan


@reads
@works
@loads
def measure(
    model: ModelName,
    data: DataSource,
    method: Annotated[
        str | None,
        typer.Option(
            help="shapley (if left out), ablation, attention, gradient, or mcs: AMPS's score, which hardly tells which "
            "modality an answer comes from."
        ),
    ] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Use mcs with the settings of AMPS's Algorithm 1.")] = False,
    option: MethodOptions = None,
    instruction: InstructionText = None,
    trace: Annotated[
        str | None, typer.Option(metavar="ITEM", help="Follow one item's answer token by token; give the item's id.")
    ] = None,
    *,
    reading: Reading,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .parquet file with one row for each item; or a run folder with rows, figure and report, which "
            "resumes if stopped. With --trace: a .parquet file of tokens or a .png figure."
        ),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    loading: Loading,
    over: Over,
) -> None:
    """Measure how much each modality contributes to the answer, for each item."""
    from trimtab.studies.measurement import MeasurementPlan

    method = method or ("mcs" if paper else "shapley")
    how = chosen_method(method, paper, option or [], seed)
    _check_out(out, trace is not None, data)
    plan = MeasurementPlan(
        model,
        data,
        method,
        asdict(how),
        instruction_text(instruction),
        seed,
        **(replace(reading, limit=None) if trace else reading).as_planned(),
        load=loading,
    )
    if trace is not None:
        if over is not None:
            raise UsageError("`--workers` must be left out with --trace, which follows one item; leave it out.")
        _trace(plan, trace, out, json)
    elif out is None or out.suffix == ".parquet":
        _at_once(plan, out, json, over)
    else:
        found = run_plan(plan, out, over)
        say_skipped(found.summary["skipped"], data)
        tell(found, json)


def chosen_method(name: str, paper: bool, options: Sequence[str], seed: int) -> Method:
    """Make a method from its name and ``NAME=VALUE`` options, values written as in YAML.

    Raises:
        UsageError: There is no such method, or it has no such option.
    """
    from trimtab.contribution import MCS, METHODS

    make = METHODS.named(name, "`--method`")
    if paper and name != MCS.name:
        raise UsageError(f"`--paper` needs method {MCS.name}; got {name!r}; leave one of them out.")
    known = [field.name for field in fields(make)]
    values: dict[str, Any] = {"seed": seed} if "seed" in known else {}
    for key, value in read_options(options).items():
        if key not in known:
            meant = did_you_mean(key, known)
            raise UsageError(
                f"`--option` of method {name} must have a NAME among {', '.join(known)}; got {key!r}{meant}"
            )
        values[key] = tuple(value) if isinstance(value, list) else value
    return MCS.paper(**values) if paper else make(**values)


def _loaded(plan: MeasurementPlan, over: Cluster | None = None) -> tuple[Model | Fleet, Items]:
    """Read the items and load the model, what is cheap to refuse first."""
    if is_server(plan.model):
        raise UsageError(
            f"`MODEL` of measure must be loaded here, since contributions need what a server does not show; got "
            f"{plan.model}; give the name or the folder of the model."
        )
    check_model(plan.model, plan.load)
    items = plan.reader()(plan.data)
    return load_engine(plan.model, plan.load, over), limited(items, plan.limit, plan.seed)


def _at_once(plan: MeasurementPlan, out: Path | None, json: bool, over: Cluster | None) -> None:
    """Measure without a run folder; print, and write rows if they are wanted."""
    from trimtab.contribution import measure
    from trimtab.files import write_whole
    from trimtab.items import valid_answers
    from trimtab.studies import contribution_rates, records
    from trimtab.studies.measurement import answer_counts, with_answers

    model, items = _loaded(plan, over)
    with progress_bars() as bars:
        found = measure(model, items, instruction=plan.instruction, method=plan.how, progress=bars)
        table = with_answers(found.table(), model, items, plan.instruction, valid_answers(items), bars)
    say_skipped(len(found.skipped), plan.data)
    if not found:
        raise UsageError(f"`DATA` of measure must hold an item that can be measured; {found.skipped[0].reason}")
    if out is not None:
        write_whole(out, lambda part: table.to_parquet(part, index=False))
    settings = {"model": model.name, "data": plan.data, "method": plan.method, "options": plan.resolved()["options"]}
    summary = {**settings, "instruction": plan.instruction, "skipped": len(found.skipped)}
    rows = records(table)
    summary |= {"ratios": contribution_rates(rows, plan.seed), "answers": answer_counts(rows)}
    if json:
        print_json({**summary, "items": rows})
        return
    print_measurement(summary)
    if out is not None:
        print_line(f"Items: {out}")


def _trace(plan: MeasurementPlan, wanted: str, out: Path | None, json: bool) -> None:
    """Follow one item's answer and show it."""
    from trimtab.contribution import MCS, Shapley, trace

    (model, items), method = _loaded(plan), plan.how
    item = next((item for item in items if item.id == wanted), None)
    if item is None:
        meant = did_you_mean(wanted, (item.id for item in items), "trimtab data show lists some")
        raise UsageError(f"`--trace` must be the id of one of the {len(items)} items; got {wanted!r}{meant}")
    if not isinstance(method, MCS | Shapley):
        raise UsageError(f"`--trace` needs method {Shapley.name} or {MCS.name}; got {method.name!r}; leave it out.")
    found = trace(model, item, instruction=plan.instruction, config=method)
    if out is not None:
        _write_trace(found, out)
    if json:
        print_json({"model": model.name, "item": item.id, "steps": found.rows()})
        return
    _print_trace(found, model.name)


def _print_trace(found: AnswerTrace, model: str) -> None:
    """Print each token's scores, and the image's share beside text alone, or else every modality's share."""
    pair = found.modalities == PAIR
    shared: tuple[Modality, ...] = ("image",) if pair else found.modalities
    scores = [found.scores(modality) for modality in found.modalities]
    shares = [found.shares(modality) for modality in shared]
    print_table(
        f"{'Visual ratio' if pair else 'Contributions'} of {model} along its answer to item {found.item_id}",
        ["token", *found.modalities, *(["ratio"] if pair else [f"share of {modality}" for modality in shared])],
        [
            [repr(token), *(f"{own[n]:.3g}" for own in scores), *(f"{own[n]:.3f}" for own in shares)]
            for n, token in enumerate(found.tokens)
        ],
    )


def _check_out(out: Path | None, traced: bool, data: str) -> None:
    from trimtab.studies.kit.run_folder import check_run_folder

    if traced and out is not None and out.suffix not in (".parquet", ".png"):
        raise UsageError(f"`--out` with --trace must end in .parquet or .png; got '{out}'.")
    if out is None or traced or out.suffix == ".parquet":
        check_out_file(out, data=data)
    else:
        check_run_folder(out, "`--out`")


def _write_trace(found: AnswerTrace, out: Path) -> None:
    from trimtab.files import write_whole
    from trimtab.report import trace_figure

    if out.suffix == ".png":
        write_whole(out, lambda part: trace_figure(found).savefig(part, format="png"))
    else:
        write_whole(out, lambda part: found.table().to_parquet(part, index=False))
