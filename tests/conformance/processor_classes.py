"""Asks a processor's class in transformers what text it puts in a picture's place.

The classes want torchvision or a video processor to be made, but not to say this; so they are left unmade, and one
whose file cannot be imported without torchvision is read from its file.
"""

import ast
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import transformers
from PIL.Image import Image

from trimtab.models import Model


def token_of(model: Model) -> str:
    """The text of the token that stands for one position of a picture."""
    return model.tokenizer.convert_ids_to_tokens(model.placeholders["image"])


def texts_of(
    model: Model, pictures: list[Image], package: str, name: str, options: dict[str, Any] | None = None, **facts: Any
) -> list[str]:
    """What a processor's class writes for each of several pictures that one prompt shows.

    Args:
        model: The model.
        pictures: The pictures.
        package: The package of transformers that the class is in.
        name: The class.
        options: What the image processor is given beside what the class itself says to it.
        facts: What a released processor_config.json and tokenizer make the class's attributes.
    """
    said, defaults, unmade = _class(package, name)
    images = [pictures] if model.family.company else pictures
    inputs = model.image_processor(images=images, **{**defaults, **(options or {}), "return_tensors": "pt"})
    vars(unmade).update({"image_processor": model.image_processor, "image_token": token_of(model), **facts})
    return [said(unmade, inputs, index) for index in range(len(pictures))]


def _class(package: str, name: str) -> tuple[Any, dict[str, Any], Any]:
    """The function that writes a picture's text, what the class says to the image processor, and an unmade one."""
    try:
        kind = getattr(import_module(f"transformers.models.{package}.processing_{package}"), name)
    except ImportError:
        file = Path(transformers.__file__).parent / "models" / package / f"processing_{package}.py"
        [body] = [n.body for n in ast.parse(file.read_text()).body if isinstance(n, ast.ClassDef) and n.name == name]
        [method] = [n for n in body if isinstance(n, ast.FunctionDef) and n.name == "replace_image_token"]
        found: dict[str, Any] = {}
        exec(compile(ast.Module([method], []), str(file), "exec"), found)  # noqa: S102
        return found["replace_image_token"], {}, SimpleNamespace()
    return kind.replace_image_token, getattr(kind, "images_kwargs", {}), kind.__new__(kind)
