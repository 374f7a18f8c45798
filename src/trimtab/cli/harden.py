"""``trimtab harden``: fine-tune a model so that the modality that does not matter harms it less."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars, quietly, remark
from trimtab.cli.early import check_model, check_package
from trimtab.cli.inputs import load_model, say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import DataSource, Json, ModelName, RelevantTo, Seed
from trimtab.cli.reading import Reading, reads
from trimtab.cli.training import Training, trains

if TYPE_CHECKING:
    from trimtab.interference import HardenConfig, Hardened
    from trimtab.items import Item

OutFolder = Annotated[Path, typer.Option(help="Folder of the result; give it again to resume a run that was stopped.")]
Validation = Annotated[
    str | None, typer.Option(metavar="DATA", help="Items to evaluate on; the best checkpoint is kept.")
]
ConsistencyLoss = Annotated[
    str, typer.Option(help="Loss that makes the answers of an item's views agree: kl, js or none.")
]
AttackSteps = Annotated[
    int, typer.Option(min=0, help="Steps of the adversarial attack on embeddings; 0 leaves it out.")
]
AttackSize = Annotated[float, typer.Option(help="Size of the attack, as a share of the embeddings' root mean square.")]


@trains
@reads
@loads
def harden(
    model: ModelName,
    data: DataSource,
    out: OutFolder = Path("hardened"),
    validation: Validation = None,
    relevant: RelevantTo = None,
    perturbation: Annotated[list[str] | None, typer.Option(help="Perturbation to train on; repeatable.")] = None,
    consistency: ConsistencyLoss = "kl",
    weight: Annotated[float, typer.Option(help="Weight of the consistency loss.")] = 1.0,
    attack_steps: AttackSteps = 0,
    attack_size: AttackSize = 0.5,
    method: Annotated[str, typer.Option(help="lora or full.")] = "lora",
    rank: Annotated[int, typer.Option(min=1, help="Rank of the LoRA adapters.")] = 16,
    *,
    training: Training,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
    loading: Loading,
) -> None:
    """Fine-tune a model so that the irrelevant modality harms it less; `trimtab.load` takes the result."""
    from trimtab.interference import AttackConfig, HardenConfig, LoraConfig
    from trimtab.interference import harden as harden_model
    from trimtab.interference.hardening import check_harden_folder, leads, usual

    config = HardenConfig(
        **({"perturbations": tuple(perturbation)} if perturbation else {}),  # pyright: ignore[reportArgumentType]
        attack=AttackConfig(size=attack_size, steps=attack_steps) if attack_steps else None,
        consistency=consistency,  # pyright: ignore[reportArgumentType]  (checked by the configuration)
        weight=weight,
        method=method,  # pyright: ignore[reportArgumentType]
        lora=LoraConfig(rank=rank, alpha=2.0 * rank),
        **training,
        seed=seed,
    )
    if method == "lora":
        check_package("peft", "train")
    if leads():
        check_harden_folder(out, "`--out`")
    check_model(model, loading)
    with quietly(not leads()):
        items, held_out = _read(data, validation, reading, relevant, seed)
        loaded = load_model(model, _own_device(loading, config))
        if not perturbation:
            config = _with_fitting(replace(config, perturbations=usual(loaded.modalities)), items)
        with progress_bars() as bars:
            found = harden_model(loaded, items, out, config, validation=held_out, progress=bars)
    if leads():
        say_skipped(found.record["skipped"], data)
        _tell(found, json)


def _read(
    data: str, validation: str | None, reading: Reading, relevant: str | None, seed: int
) -> tuple[Sequence[Item], Sequence[Item]]:
    """Read the items and, whole, those to evaluate on."""
    from trimtab.interference import with_relevant

    items = reading.items(data, seed)
    held_out = replace(reading, split=None, limit=None).items(validation, seed) if validation else []
    if relevant is None:
        return items, held_out
    return with_relevant(items, relevant), with_relevant(held_out, relevant)


def _own_device(loading: Loading, config: HardenConfig) -> Loading:
    """Load the model of each of several processes of a machine on a GPU of its own, if nothing else is asked for.

    One that is to be shared out waits in the machine's memory: a GPU need not have room for it whole.
    """
    import torch

    number = os.environ.get("LOCAL_RANK")
    if number is None or {"device", "device_map"} & set(loading) or not torch.cuda.is_available():
        return loading
    return {**loading, "device": "cpu" if config.shard else f"cuda:{number}"}


def _tell(found: Hardened, json: bool) -> None:
    """Print what came out, and where it is."""
    if json:
        print_json({"folder": str(found.folder), **{k: v for k, v in found.record.items() if k != "log"}})
        return
    after = found.record.get("after")
    if after:
        print_table(
            "Accuracy on the validation items, in percent; worst is under the condition that loses most",
            ["", "before", "after"],
            [
                [n.replace("_", ", "), f"{100 * found.record['before'][n]:.1f}", f"{100 * v:.1f}"]
                for n, v in after.items()
            ],
        )
    print_line(f"Hardened model: {found.folder}")


def _with_fitting(config: HardenConfig, items: Sequence[Item]) -> HardenConfig:
    """Keep those of the usual perturbations that fit some item, and say which do not."""
    from trimtab.interference.perturbations import fitting

    kept = fitting(config.perturbations, items)
    left = [name for name in config.perturbations if name not in kept]
    if not kept or not left:
        return config
    remark(f"Left out {', '.join(left)}: no item has what they alter as the modality that does not matter.")
    return replace(config, perturbations=kept)
