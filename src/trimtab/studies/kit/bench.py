"""What the steps of a study work with: its models, its items and its run folder, each got when first needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.engine import batches_of
from trimtab.items import Item, Items
from trimtab.models import Model
from trimtab.models import load as load_model
from trimtab.progress import SILENT, Progress
from trimtab.studies.kit.provenance import computed_in, describe

if TYPE_CHECKING:
    from trimtab.studies.kit.study import StudyPlan

Load = Callable[..., Model]
Read = Callable[[str], Items]


class Bench:
    """Models, items and folder of one study. Use it as a context manager: models get their own batch size back.

    Attributes:
        path: The run folder.
        progress: Told of what is being done.
    """

    def __init__(
        self,
        plan: StudyPlan,
        path: str | Path,
        load: Load | None = None,
        read: Read | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.plan, self.path, self.progress = plan, Path(path), progress
        self._load, self._read = load or load_model, read or plan.reader()
        self._models: dict[str, Model] = {}
        self._items: dict[str, Items] = {}
        self._ways = ExitStack()

    def model(self, name: str) -> Model:
        """Return a model, loaded as the plan says."""
        if name not in self._models:
            self._models[name] = model = self._load(name, **self.plan.load)
            if size := getattr(self.plan, "batch_size", None):
                self._ways.enter_context(batches_of(model, size))
        return self._models[name]

    def load_folder(self, folder: Path) -> Model:
        """Load a model that a step made, as the plan says; it is not kept."""
        return self._load(folder, **{key: value for key, value in self.plan.load.items() if key != "revision"})

    def identity(self, name: str) -> dict[str, Any]:
        """Return what must be the same for a model's steps to belong to one run."""
        model = self.model(name)
        return {"fingerprint": model.fingerprint, "computed_in": computed_in([model])[model.name]}

    def description(self, name: str) -> dict[str, Any]:
        """Return what identifies a model and its sizes."""
        return describe(self.model(name))

    def loaded(self) -> list[Model]:
        """Return the models loaded so far."""
        return list(self._models.values())

    def items(self, source: str) -> Items:
        """Return the items of a source, read once."""
        if source not in self._items:
            self._items[source] = self._read(source)
        return self._items[source]

    def some_items(self, n: int) -> list[Item]:
        """Return some of the items read so far, n at most."""
        return [item for items in self._items.values() for item in items[:n]][:n]

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._ways.close()
