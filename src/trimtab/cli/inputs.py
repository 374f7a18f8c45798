"""Reading what verbs are given: models, items, artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.cli.console import loading_shown, remark
from trimtab.cli.early import is_server
from trimtab.cli.loading import Loading
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.engine import Cluster, Fleet
    from trimtab.items import Items
    from trimtab.models import Model
    from trimtab.serving.client import ServedEngine


def load_or_connect(name: str, loading: Loading, over: Cluster | None = None) -> Model | Fleet | ServedEngine:
    """Do what ``load_engine`` does, or connect to the model that a server has."""
    import trimtab

    return trimtab.connect(name) if is_server(name) else load_engine(name, loading, over)


def load_engine(name: str, loading: Loading, over: Cluster | None = None) -> Model | Fleet:
    """Load a model here or, if there are any, on each of some workers. See ``load_model``."""
    import trimtab

    if over is None:
        return load_model(name, loading)
    with loading_shown(name):
        return trimtab.fleet(
            name,
            workers=over.workers,
            gpus_per_worker=over.gpus_per_worker,
            cpus_per_worker=over.cpus_per_worker,
            address=over.address,
            **loading,
        )


def load_model(name: str, loading: Loading) -> Model:
    """Load a model, and say so: a large one takes a while. Says as well if this processor is slow in its type.

    Args:
        name: Bundled name, folder or Hub id.
        loading: What else ``trimtab.load`` is told.

    Raises:
        UsageError: There is none of that name, or it cannot be loaded like this.
        UnsupportedModelError: It is of an unknown family, or failed its self-check.
    """
    import trimtab
    from trimtab.models import emulated

    with loading_shown(name):
        model = trimtab.load(name, **loading)
    if slow := emulated(model.dtype, model.device):
        remark(slow)
    return model


def load_items(
    source: str,
    *,
    split: str | None = None,
    images: Path | None = None,
    skip_missing: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Items:
    """Read items, and take a balanced part of them if asked to.

    Raises:
        UsageError: The source is of no known kind.
        DataError: It cannot be read, or holds no usable item.
        MissingImageError: Images are missing.
    """
    import trimtab

    if images is not None and not images.is_dir():
        raise UsageError(f"`--images` must be an existing folder; got '{images}'; check the path.")
    items = trimtab.read_items(source, split, images, skip_missing=skip_missing)
    return limited(items, limit, seed)


def limited(items: Items, limit: int | None, seed: int) -> Items:
    """Take a balanced part of items if asked to, and say that its totals are not those of all."""
    if limit is None or limit >= len(items):
        return items
    from trimtab.studies import choose_items  # loads torch, which reading items does not need

    if len({item.task for item in items}) > 1:
        remark(f"{limit} of {len(items)} items, as many of each task as possible: totals weigh tasks alike.")
    return choose_items(items, limit, seed)


def read_options(given: Sequence[str]) -> dict[str, Any]:
    """Read options given as ``NAME=VALUE``, values written as in YAML.

    Raises:
        UsageError: One is not of that form, cannot be read, or is given twice.
    """
    from trimtab.plain_yaml import read_yaml

    found: dict[str, Any] = {}
    for option in given:
        name, equals, value = option.partition("=")
        if not equals or name in found:
            raise UsageError(f"`--option` must be NAME=VALUE, each name once; got {option!r}.")
        try:
            found[name] = read_yaml(value)
        except ValueError as error:
            raise UsageError(f"`--option` must be NAME=VALUE, VALUE as in YAML; got {option!r} ({error}).") from error
    return found


def instruction_text(given: str | None) -> str | None:
    """Return the sentence that a name of a modality stands for; any other sentence stands for itself."""
    from trimtab.items.prompts import INSTRUCTIONS

    return next((sentence for modality, sentence in INSTRUCTIONS.items() if modality == given), given)


def say_skipped(count: int, where: str) -> None:
    """Say on stderr how many items were left out, if any."""
    if count:
        remark(f"Skipped {count} {'item' if count == 1 else 'items'} of {where}.")
