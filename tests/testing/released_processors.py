"""What a released folder's own processor makes of a picture and a text.

Its class is made of the folder's parts without a video processor, which would want torchvision. Pixtral's file cannot
be imported without torchvision at all, so its rule is written out.
"""

import json
import sys
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transformers
from PIL.Image import Image
from transformers.processing_utils import ProcessorMixin

from trimtab.models import Model


def own_inputs(folder: Path, model: Model, image: Image, text: str) -> tuple[list[int], dict[str, Any]]:
    """Token ids and tensors of a turn of a picture and a text, by the processor that the folder names."""
    said = _json(folder / "processor_config.json")
    held = {key: value for key, value in said.items() if not isinstance(value, dict)}  # not how parts are set
    named = held.pop("processor_class", None) or _json(folder / "preprocessor_config.json")["processor_class"]
    rendered = _rendered(model, text)
    if named == "PixtralProcessor":
        return _pixtral(model, image, rendered)
    if named == "PaliGemmaProcessor":
        rendered = f"<image>{text}"  # it has no template, and adds what begins and ends a prompt
    kind: Any = getattr(transformers, named)
    parts = {"image_processor": model.image_processor, "tokenizer": deepcopy(model.tokenizer)}
    known = signature(kind.__init__).parameters
    parts |= {part: None for part in ("video_processor", "feature_extractor") if part in known}
    written = patch.dict(sys.modules[kind.__module__].__dict__, num2words=str)  # SmolVLM's, for clips alone
    unchecked = patch.object(ProcessorMixin, "check_argument_for_proper_class", lambda _self, _name, given: type(given))
    with written, unchecked:
        processor = kind(**parts, **held)
    begun = rendered.startswith(model.tokenizer.bos_token or rendered)  # as `apply_chat_template` asks
    made = processor(images=[image], text=[rendered], add_special_tokens=not begun, return_tensors="pt")
    return made.pop("input_ids")[0].tolist(), dict(made)


def _rendered(model: Model, text: str) -> str:
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
    options = {"chat_template": model.chat_template, "add_generation_prompt": True, "tokenize": False}
    return str(model.tokenizer.apply_chat_template(turns, **options))


def _pixtral(model: Model, image: Image, rendered: str) -> tuple[list[int], dict[str, Any]]:
    side = 2 * 14
    made = model.image_processor(images=[image], patch_size=side, return_tensors="pt")
    rows, columns = (made["image_sizes"][0] // side).tolist()
    shown = "[IMG_BREAK]".join(["[IMG]" * columns] * rows) + "[IMG_END]"
    ids = model.tokenizer(rendered.replace("[IMG]", shown), add_special_tokens=False)["input_ids"]
    return ids, dict(made)


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}
