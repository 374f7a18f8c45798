"""Measure, steer and explain which modality a multimodal LLM relies on, and train away harm from irrelevant ones.

    import trimtab as tt

    model = tt.load("pocket-qwen")
    test = tt.read_items("pocket-mc2:test")
    scores = tt.measure(model, test)

Names are imported on first use, so ``import trimtab`` loads neither torch nor transformers.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.artifacts import load_artifact as load_artifact
    from trimtab.circuits import HeadSet as HeadSet
    from trimtab.contribution import measure as measure
    from trimtab.engine import AddVector as AddVector
    from trimtab.engine import BlockAttention as BlockAttention
    from trimtab.engine import Decoding as Decoding
    from trimtab.engine import Prompt as Prompt
    from trimtab.engine import Read as Read
    from trimtab.engine import ReplaceHeads as ReplaceHeads
    from trimtab.engine import Row as Row
    from trimtab.engine import ScaleHeads as ScaleHeads
    from trimtab.engine import applied as applied
    from trimtab.engine import fleet as fleet
    from trimtab.engine import generate as generate
    from trimtab.engine import inputs as inputs
    from trimtab.engine import run as run
    from trimtab.interference import HardenConfig as HardenConfig
    from trimtab.interference import diagnose as diagnose
    from trimtab.interference import harden as harden
    from trimtab.items import Item as Item
    from trimtab.items import judge as judge
    from trimtab.items import read_items as read_items
    from trimtab.items import write_items as write_items
    from trimtab.models import Model as Model
    from trimtab.models import load as load
    from trimtab.models import wrap as wrap
    from trimtab.report import write_report as write_report
    from trimtab.serving.client import ServedEngine as ServedEngine
    from trimtab.serving.client import connect as connect
    from trimtab.steering import AMPS as AMPS
    from trimtab.steering import L2S as L2S
    from trimtab.steering import Autotrim as Autotrim
    from trimtab.steering import Instruction as Instruction
    from trimtab.steering import MeanDifference as MeanDifference
    from trimtab.steering import NoSteering as NoSteering
    from trimtab.studies import evaluate as evaluate

__version__ = version("trimtab")

_HOMES = {
    "artifacts": ["load_artifact"],
    "circuits": ["HeadSet"],
    "contribution": ["measure"],
    "items": ["Item", "judge", "read_items", "write_items"],
    "engine": [
        "AddVector",
        "BlockAttention",
        "Decoding",
        "Prompt",
        "Read",
        "ReplaceHeads",
        "Row",
        "ScaleHeads",
        "applied",
        "fleet",
        "generate",
        "inputs",
        "run",
    ],
    "interference": ["HardenConfig", "diagnose", "harden"],
    "models": ["Model", "load", "wrap"],
    "report": ["write_report"],
    "serving.client": ["ServedEngine", "connect"],
    "steering": ["AMPS", "L2S", "Autotrim", "Instruction", "MeanDifference", "NoSteering"],
    "studies": ["evaluate"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AMPS",
    "L2S",
    "AddVector",
    "Autotrim",
    "BlockAttention",
    "Decoding",
    "HardenConfig",
    "HeadSet",
    "Instruction",
    "Item",
    "MeanDifference",
    "Model",
    "NoSteering",
    "Prompt",
    "Read",
    "ReplaceHeads",
    "Row",
    "ScaleHeads",
    "ServedEngine",
    "__version__",
    "applied",
    "connect",
    "diagnose",
    "evaluate",
    "fleet",
    "generate",
    "harden",
    "inputs",
    "judge",
    "load",
    "load_artifact",
    "measure",
    "read_items",
    "run",
    "wrap",
    "write_items",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'trimtab' has no attribute {name!r}")
    return getattr(import_module(f"trimtab.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
