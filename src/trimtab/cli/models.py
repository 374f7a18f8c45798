"""``trimtab models``: which models are bundled, and what a model is."""

from __future__ import annotations

import typer

from trimtab.cli.console import print_json, print_table, remark
from trimtab.cli.early import check_model
from trimtab.cli.inputs import load_model
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json, ModelName

models_app = typer.Typer(no_args_is_help=True, help="List the bundled models, or show what a model is.")


@models_app.command("list", epilog="Example: trimtab models list")
def list_models(json: Json = False) -> None:
    """List the bundled models and the families that can be loaded."""
    from trimtab.models import FAMILIES
    from trimtab.pocket import CHECKPOINTS, checkpoint

    rows = []
    for name in CHECKPOINTS:
        size = sum(path.stat().st_size for path in checkpoint(name).glob("*") if path.is_file())
        rows.append({"name": name, "megabytes": round(size / 1e6, 1), "present": size > 0})
    if json:
        print_json({"bundled": rows, "families": sorted(FAMILIES)})
        return
    print_table(
        "Bundled models",
        ["name", "MB"],
        [[r["name"], f"{r['megabytes']:.1f}" if r["present"] else "missing"] for r in rows],
    )
    remark(f"Any checkpoint of these families loads by folder or Hugging Face id: {', '.join(sorted(FAMILIES))}.")


@models_app.command("show", epilog="Example: trimtab models show pocket-qwen")
@loads
def show_model(model: ModelName, loading: Loading, json: Json = False) -> None:
    """Load a model, run its self-check, and show its layers, heads, sizes and fingerprint."""
    from trimtab.study import describe

    check_model(model, loading)
    loaded = load_model(model, loading)  # loading refuses a model whose self-check fails
    facts = {"name": loaded.name, **describe(loaded), "device": str(loaded.device), "self_check": "passed"}
    if json:
        print_json(facts)
        return
    print_table(loaded.name, ["", ""], [[k.replace("_", " "), str(v)] for k, v in facts.items() if k != "name"], left=2)
