"""A processor for each modality, from the files in which checkpoints have described them."""

import json

import pytest

from trimtab.errors import UnsupportedModelError
from trimtab.models import Family, save_processors
from trimtab.models.processors import open_processors
from trimtab.models.source import find

PICTURES = {"image_processor_type": "Qwen2VLImageProcessorFast", "merge_size": 2, "patch_size": 14}
SOUNDS = {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 128, "chunk_length": 300}


class Both(Family):
    name = "both"
    processors = {"image": "Qwen2VLImageProcessor", "audio": "WhisperFeatureExtractor"}


class Deaf(Family):
    name = "deaf"
    processors = {"image": "Qwen2VLImageProcessor"}


def opened(folder, files, family):
    for name, held in files.items():
        (folder / name).write_text(json.dumps(held))
    return open_processors(find(folder), family())


@pytest.mark.parametrize(
    "files",
    [
        {"preprocessor_config.json": PICTURES | SOUNDS},
        {"processor_config.json": {"image_processor": PICTURES, "feature_extractor": SOUNDS}},
        {"processor_config.json": {"feature_extractor": SOUNDS}, "preprocessor_config.json": PICTURES},
    ],
)
def test_pictures_and_sounds_have_a_processor_each(files, tmp_path):
    found = opened(tmp_path, files, Both)
    assert [type(processor).__name__ for processor in found.values()] == [
        "Qwen2VLImageProcessorPil",
        "WhisperFeatureExtractor",
    ]
    assert (found["audio"].feature_size, found["audio"].n_samples) == (128, 300 * 16000)


def test_what_is_written_opens_again_and_one_alone_is_written_as_before(tmp_path):
    found = opened(tmp_path, {"preprocessor_config.json": PICTURES | SOUNDS | {"max_pixels": 3136 * 4}}, Both)
    for family, names in ((Both, ["processor_config.json"]), (Deaf, ["preprocessor_config.json"])):
        (folder := tmp_path / family.name).mkdir()
        save_processors({kind: found[kind] for kind in family.processors}, folder)
        assert [file.name for file in folder.iterdir()] == names
        again = open_processors(find(folder), family())
        assert {kind: p.to_dict() for kind, p in again.items()} == {k: found[k].to_dict() for k in family.processors}


def test_a_checkpoint_without_one_is_refused(tmp_path):
    held = {"image_processor": PICTURES}
    with pytest.raises(UnsupportedModelError, match="with a feature extractor; .* has no preprocessor_config.json"):
        opened(tmp_path, {"processor_config.json": held}, Both)
