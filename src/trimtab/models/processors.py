"""What preprocesses the media that a checkpoint takes: a processor for each modality, opened and written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.modalities import Modality
from trimtab.models.clips import FILE
from trimtab.models.family import Family
from trimtab.models.hugging_face import Processor
from trimtab.models.source import Source, first_line, reading

OTHER = ("preprocessor_config.json",)
FILES: dict[Modality, tuple[str, ...]] = {"video": (FILE, *OTHER)}
"""Where it may be described else, the first one that is there; for most in one file for all."""


def open_processors(source: Source, family: Family) -> dict[Modality, Any]:
    """Open the processor of each modality that the family says a class for.

    Raises:
        UnsupportedModelError: The checkpoint has none for one of them.
        UsageError: A file is broken.
    """
    with reading(source):
        return _opened(family, {kind: _settings(source, kind) for kind in family.processors})


def reopened_processors(processor: object, family: Family, name: str) -> dict[Modality, Any]:
    """Open the processors of modalities anew, set as the parts of a Hugging Face processor are.

    A part may be of a back end that makes its tensors otherwise, or takes other media, than those of ``load`` do.

    Args:
        processor: The Hugging Face processor; what it lacks of what the family is shown is left out.
        family: The model's family.
        name: What the model is called.

    Raises:
        UnsupportedModelError: A part is of another family's kind.
    """
    parts = {kind: getattr(processor, _section(kind), None) for kind in family.processors}
    settings = {kind: json.loads(part.to_json_string()) for kind, part in parts.items() if part is not None}
    if "video" in family.processors and "image" in settings:
        settings.setdefault("video", {})  # as for pictures
    with understood(family, next((part for part in parts.values() if part is not None), None), name):
        return _opened(family, {kind: settings[kind] for kind in family.processors if kind in settings})


def _opened(family: Family, settings: Mapping[Modality, dict[str, Any]]) -> dict[Modality, Any]:
    """Open the processor of each modality by its settings."""
    found: dict[Modality, Any] = {}
    for kind, own in settings.items():
        if kind == "video":
            found[kind] = family.clip_processor(found["image"], own)
            continue
        special = family.open_processor(kind, own)
        found[kind] = OPENERS[kind](own, family.processors[kind]) if special is None else special
    return found


def save_processors(processors: Mapping[Modality, Any], folder: Path) -> None:
    """Write processors as checkpoints have them: one by itself, or several in a file of sections; clips' in its own."""
    own = {_section(kind): p for kind, p in processors.items() if kind != "video"}
    if "video" in processors:
        processors["video"].save_pretrained(folder)
    if len(own) == 1:
        next(iter(own.values())).save_pretrained(folder)
        return
    held = {section: json.loads(processor.to_json_string()) for section, processor in own.items()}
    (folder / "processor_config.json").write_text(json.dumps(held, indent=2))


@contextmanager
def understood(family: Family, image_processor: object, name: str) -> Iterator[None]:
    """Refuse an image processor of another family's kind, where a family asks it what it does not know.

    Raises:
        UnsupportedModelError: It is of another kind.
    """
    try:
        yield
    except (UnsupportedModelError, UsageError):
        raise
    except Exception as error:
        raise UnsupportedModelError(
            f"`image_processor` of {name} must be one of family {family.name}, such as {family.processors['image']}; "
            f"got {type(image_processor).__name__} ({first_line(error)}); mend preprocessor_config.json."
        ) from error


def _section(kind: Modality) -> str:
    """The key of ``processor_config.json`` that describes a modality's processor."""
    return "feature_extractor" if kind == "audio" else f"{kind}_processor"


def _settings(source: Source, kind: Modality) -> dict[str, Any]:
    """Return how a modality's processor is set; checkpoints have kept that in several files."""
    section = _section(kind)
    settings = (source.json("processor_config.json") or {}).get(section)
    for file in FILES.get(kind, OTHER):
        settings = settings or source.json(file)
    if settings is None and kind == "video":
        return {}  # as for pictures
    if settings is None:
        article = "an image processor" if kind == "image" else f"a {section.replace('_', ' ')}"
        raise UnsupportedModelError(
            f"`name_or_path` of load must be a model with {article}; {source.path} has no preprocessor_config.json; "
            "copy it from the model that it was made from."
        )
    return {key: value for key, value in settings.items() if key != "auto_map"}


def _image_processor(settings: dict[str, Any], default: str) -> Processor:
    """An image processor, whose class checkpoints have called by several names."""
    from transformers import AutoImageProcessor

    kind = settings.get("image_processor_type") or settings.get("feature_extractor_type") or default
    kind = kind.removesuffix("Fast").removesuffix("FeatureExtractor").removesuffix("Pil")
    kind = kind if kind.endswith("ImageProcessor") else f"{kind}ImageProcessor"
    kind = {"Qwen2_5_VLImageProcessor": "Qwen2VLImageProcessor"}.get(kind, kind)
    with _folder(settings | {"image_processor_type": kind}) as folder:
        # The PIL back end gives the same pixels on every machine and needs no torchvision.
        return AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)


def _feature_extractor(settings: dict[str, Any], default: str) -> Processor:
    """What makes a sound's features."""
    from transformers import AutoFeatureExtractor

    kind = settings.get("feature_extractor_type") or default
    with _folder(settings | {"feature_extractor_type": kind}) as folder:
        return AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False)


@contextmanager
def _folder(settings: dict[str, Any]) -> Iterator[str]:
    """A folder with a processor's settings alone."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(settings))
        yield folder


OPENERS: dict[Modality, Callable[[dict[str, Any], str], Processor]] = {
    "image": _image_processor,
    "audio": _feature_extractor,
}
"""What opens the processor of each modality, given its settings and the class where they name none."""
