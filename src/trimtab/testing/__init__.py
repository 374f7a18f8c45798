"""Models for your tests and ours: tiny random ones, ones with a known answer, folders like released ones."""

from trimtab.testing.fake_engine import FakeEngine
from trimtab.testing.media import clip, melody, picture, sound
from trimtab.testing.planted import PLANTED_FAMILIES, planted_model
from trimtab.testing.realistic import RELEASES, SMALL, realistic_checkpoint
from trimtab.testing.tiny import TINY_FAMILIES, tiny_model
from trimtab.testing.trio import planted_trio, planted_trio_circuit, tiny_trio

__all__ = [
    "PLANTED_FAMILIES",
    "RELEASES",
    "SMALL",
    "TINY_FAMILIES",
    "FakeEngine",
    "clip",
    "melody",
    "picture",
    "planted_model",
    "planted_trio",
    "planted_trio_circuit",
    "realistic_checkpoint",
    "sound",
    "tiny_model",
    "tiny_trio",
]
