"""Steer one model: fit, choose the strength on validation items, save, load, ask.

    python recipes/steer.py

Copy it and put in your own model and data: any folder or Hub id of a supported family, and any source that
``read_items`` takes.
"""

import trimtab as tt
from trimtab.items.prompts import prompt_for
from trimtab.steering import Artifact, GatedDrop, tune
from trimtab.studies import choose_items

MODEL, DATA, TARGET = "pocket-qwen", "pocket-mc2", "image"

model = tt.load(MODEL)
train = choose_items(tt.read_items(f"{DATA}:train"), 160, seed=0)
validation = choose_items(tt.read_items(f"{DATA}:validation"), 48, seed=0)
test = choose_items(tt.read_items(f"{DATA}:test"), 80, seed=0)

# One network, one layer, several strengths: the best on validation items that the network has not seen.
l2s = tune(tt.L2S(target=TARGET), model, train, validation, strengths=(1.0, 2.0, 4.0))
print(f"layer {l2s.layer}, strength {l2s.strength:g}, on validation: {l2s.metrics['validation']}")

# An artifact is a folder without pickle; it knows which model it was fitted on.
l2s.save("runs/l2s-image")
l2s = tt.load_artifact("runs/l2s-image", model, Artifact)

# Rates with intervals, collapse beside them, on items that nothing was fitted or chosen on.
baselines = [tt.NoSteering(TARGET), tt.Instruction(TARGET), GatedDrop(TARGET)]
methods = [*(baseline.fit(model) for baseline in baselines), l2s]
result = tt.evaluate(model, test, methods)
print(result.rates.query("task == 'all'").to_string(index=False))
print(result.receipt)

# One question; strength 0 is exactly the unsteered model.
prompt = prompt_for(test[0])
for strength in (0.0, l2s.strength):
    print(strength, tt.generate(model, l2s.asks(model, [prompt], strength)).texts)
