"""``trimtab models``: which models are bundled, and what a model is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from trimtab.cli.console import print_json, print_table, remark
from trimtab.cli.early import check_model
from trimtab.cli.inputs import load_model
from trimtab.cli.loading import Loading, loads
from trimtab.cli.matrix import matrix
from trimtab.cli.options import Json, ModelName
from trimtab.modalities import in_order

if TYPE_CHECKING:
    from trimtab.models import Family, LoadReport

models_app = typer.Typer(no_args_is_help=True, help="List the bundled models, or show what a model is.")
models_app.command("matrix", epilog="Example: trimtab models matrix --family llava --out llava.md")(matrix)


@models_app.command("list", epilog="Example: trimtab models list")
def list_models(json: Json = False) -> None:
    """List the bundled models, the families that can be loaded, what these refuse, and what is not loaded and why."""
    from trimtab.bundled import BUNDLED, SMOL, present
    from trimtab.models import FAMILIES, REFUSED

    families = [_of_family(FAMILIES[name]) for name in sorted(FAMILIES)]
    rows = []
    for name in BUNDLED:
        folder = present(name)
        size = sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder else 0
        rows.append({"name": name, "megabytes": round(size / 1e6, 1), "present": size > 0})
    if json:
        print_json({"bundled": rows, "families": families, "refused": dict(sorted(REFUSED.items()))})
        return
    absent = {SMOL: "made on first use"}
    print_table(
        "Bundled models",
        ["name", "MB"],
        [[r["name"], f"{r['megabytes']:.1f}" if r["present"] else absent.get(r["name"], "missing")] for r in rows],
    )
    print_table(
        "Families, of which any checkpoint loads by folder or Hugging Face id",
        ["family", "shown", "written for", "refused"],
        [
            [
                one["name"],
                ", ".join(one["shown"]),
                ", ".join(one["checkpoints"]),
                "; ".join(f"{job}: {why}" for job, why in one["refused"].items()),
            ]
            for one in families
        ],
        left=4,
    )
    print_table("Refused", ["model_type", "because"], [list(each) for each in sorted(REFUSED.items())], left=2)
    remark("Contributions are refused, too, where a prompt is longer than a checkpoint's sliding window.")


def _of_family(family: Family) -> dict[str, Any]:
    """Say what a family is shown, what its file was written for, and which jobs it refuses whatever the checkpoint."""
    refused = dict(family.refuses)
    if family.why_not_plain is not None:
        refused.setdefault("contribution", family.why_not_plain)
    return {
        "name": family.name,
        "shown": in_order(family.processors),
        "checkpoints": family.checkpoints,
        "refused": refused,
    }


@models_app.command("show", epilog="Example: trimtab models show pocket-qwen")
@loads
def show_model(model: ModelName, json: Json = False, *, loading: Loading) -> None:
    """Load a model, run its self-check, and show its layers, heads, sizes, fingerprint and what loading found."""
    from trimtab.studies import describe

    check_model(model, loading)
    loaded = load_model(model, loading)  # loading refuses a model whose self-check fails
    facts = {"name": loaded.name, **describe(loaded), "device": str(loaded.device), "self_check": "passed"}
    if json:
        print_json({**facts, "loading": {**asdict(loaded.report), "overridden": dict(loaded.report.overridden)}})
        return
    rows = [[k.replace("_", " "), str(v)] for k, v in facts.items() if k != "name"]
    print_table(loaded.name, ["", ""], [*rows, *_of_loading(loaded.report)], left=2)


def _of_loading(report: LoadReport) -> Iterator[list[str]]:
    """Say what loading found; what does not apply is left out."""
    if report.tensors:
        files = f" from {report.shards:,} file{'s' * (report.shards != 1)}" if report.shards else ""
        yield ["tensors placed", f"{report.tensors:,}{files}"]
    if report.dtype_stored:
        why = f"; runs in {report.dtype}: {report.why_dtype}" if report.why_dtype else ""
        yield ["stored in", report.dtype_stored + why]
    if report.quantization:
        yield ["quantised by", report.quantization]
    if report.adapters:
        yield ["adapters merged", ", ".join(report.adapters)]
    yield ["most pixels of a picture", f"{report.max_pixels:,}" if report.max_pixels else "all scaled to one size"]
    if report.photo_tokens:
        yield ["photo of 12 megapixels", f"{report.photo_tokens:,} positions"]
    if report.overridden:
        yield ["settings not used", ", ".join(f"{name} {value}" for name, value in report.overridden.items())]
    for note in report.notes:
        yield ["note", note]
