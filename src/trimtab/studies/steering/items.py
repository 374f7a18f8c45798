"""The items of a steering study, and those that a model can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimtab.errors import DataError
from trimtab.items import Items, items_fingerprint, read_items, valid_answers
from trimtab.items.readers.pocket import POCKET, POCKET_INTERFERENCE, texts_from_pocket
from trimtab.modalities import PAIR, Modality
from trimtab.steering.states import in_conflict
from trimtab.studies.kit.admission import without
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.media import with_kept_media
from trimtab.studies.kit.records import Record
from trimtab.studies.steering.controls import Controls, OwnTexts, make_controls
from trimtab.studies.steering.plan import Plan

SPLITS = ("train", "validation", "test")
JOINT, JOINT_TRAIN = "joint", "joint_train"
"""Names of the items that need image and text together: controls, and those to fit on."""
POCKET_SCENES = {
    **dict.fromkeys(("activity_recognition", "sentiment_understanding", "sport_recognition"), "people"),
    **dict.fromkeys(("attribute", "color", "counting", "positional_reasoning"), "things"),
}
"""What pictures of the bundled benchmark's tasks show. Object recognition asks for whatever is there."""


@dataclass(eq=False)
class StudyItems:
    """Items of a study: chosen when first asked for, opened when first worked with.

    ``train`` is to fit on, ``validation`` to choose layer and strength on, ``test`` to evaluate on; the first test
    items are swept and measured. ``joint`` and ``joint_train`` items need image and text together; there are none where
    the data has none, no control is asked for, or no method learns from them.
    """

    plan: Plan
    bench: Bench

    @cached_property
    def chosen(self) -> dict[str, Items]:
        """The items by split, their pictures unopened."""
        plan = self.plan
        sizes = dict(zip(SPLITS, (plan.train_items, plan.validation_items, plan.test_items), strict=True))
        with self.bench.progress.task("read splits", len(sizes)) as advance:
            found = {}
            for split, size in sizes.items():
                found[split] = choose_items(self.bench.items(f"{plan.data}:{split}"), size, plan.seed)
                advance(1)
        return found | {
            JOINT: self._joint("test", plan.control_items),
            JOINT_TRAIN: self._joint("train", plan.joint_items),
        }

    def _joint(self, split: str, n: int) -> Items:
        if self.plan.data != POCKET or not n:
            return Items()
        every = [item for item in read_items(f"{POCKET_INTERFERENCE}:{split}") if item.relevant == PAIR]
        return choose_items(every, n, self.plan.seed)

    @cached_property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the items set against each other."""
        return in_conflict(modality for items in self.chosen.values() for item in items for modality in item.modalities)

    @cached_property
    def opened(self) -> dict[str, Items]:
        """The items by split, each picture opened once and kept; those whose picture cannot be read are left out.

        Raises:
            DataError: None of a split is left.
        """
        found = {split: with_kept_media(items) for split, items in self.chosen.items()}
        for split in SPLITS:
            if not found[split] and found[split].skipped:
                raise DataError(
                    f"`data` of the study must have a readable item in the split {split!r}; none of "
                    f"{len(self.chosen[split])} is: {found[split].skipped[-1].reason}"
                )
        return found

    @cached_property
    def valid(self) -> dict[str, frozenset[str]]:
        """Valid answers of each task in the whole test split."""
        return valid_answers(self.bench.items(f"{self.plan.data}:test"))

    def controls(self, items: Mapping[str, Items]) -> Controls:
        """Return the controls of the plan, of items by split."""
        plan, bundled = self.plan, self.plan.data == POCKET
        if not plan.control_items:
            return Controls()
        return make_controls(
            items["test"],
            plan.control_items,
            valid=self.valid,
            texts=self._texts if bundled else None,
            scenes=POCKET_SCENES if bundled else None,
            joint=items[JOINT],
            seed=plan.seed,
        )

    @cached_property
    def _texts(self) -> dict[str, OwnTexts]:
        return {name: OwnTexts(*texts) for name, texts in texts_from_pocket("test").items()}

    def admitted(self, left_out: Sequence[Record]) -> dict[str, Items]:
        """Return the items by split without those that a model cannot take: rows of ``left_out``."""
        return {split: without(items, split, left_out) for split, items in self.opened.items()}

    def describe(self) -> dict[str, Any]:
        """Return sizes, counts of skipped items, and fingerprints."""
        return {
            split: {"items": len(items), "skipped": len(items.skipped), "fingerprint": items_fingerprint(items)}
            for split, items in self.opened.items()
            if items or split in SPLITS
        }
