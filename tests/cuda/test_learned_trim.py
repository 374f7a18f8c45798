"""Learned trim learns on a GPU what it learns on the CPU, and its artifact works there."""

import torch

import trimtab as tt
from tests.cuda.conftest import model_on
from tests.steering.items import train_items
from trimtab.steering import LearnedTrim
from trimtab.steering.learned_trim import TrainingConfig

FIVE = TrainingConfig(epochs=5, batch_size=64, learning_rate=0.02)


def test_it_learns_on_the_gpu_what_it_learns_on_the_cpu():
    losses = []
    for device in ("cpu", "cuda"):
        model = model_on("tiny-qwen2_5_vl", device)
        artifact = LearnedTrim("text", training=FIVE).fit(model, train_items())
        losses.append(artifact.metrics["train"]["held_out"])
        assert artifact.chooser is not None
        assert all(tensor.device.type == "cpu" for tensor in artifact.chooser.tensors().values())
        assert tt.generate(model, artifact.rows(model, train_items()), max_new_tokens=2, keep_broken=True).texts
    on_cpu, on_gpu = (torch.tensor(list(own.values())) for own in losses)
    assert torch.allclose(on_cpu, on_gpu, rtol=0.1, atol=0.02)
