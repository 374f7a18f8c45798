"""Checkpoints under the names that published ones have."""

import json
from pathlib import Path

from safetensors import safe_open

import trimtab as tt
from trimtab.models import write_published


def test_llava_is_written_under_its_published_names_with_its_own_image_token(tmp_path: Path):
    model = tt.load("pocket-llava")
    folder = write_published(model, tmp_path / "model")
    about = json.loads((folder / "processor_config.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    assert model.tokenizer.convert_tokens_to_ids(about["image_token"]) == config["image_token_index"]
    (file,) = folder.glob("*.safetensors")
    with safe_open(file, "pt") as held:
        towers = [name for name in list(held.keys()) if name.startswith("vision_tower.")]
    assert towers
    assert all(name.startswith("vision_tower.vision_model.") for name in towers)
