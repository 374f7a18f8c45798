"""Compare Autotrim with its baseline and a fixed strength, on conflicts and on questions that need both modalities.

    python recipes/autotrim.py

Prints, for each target, how often the target is followed and how much is broken where nothing conflicts.
"""

import trimtab as tt
from trimtab.steering import Autotrim, DropModality, GatedDrop, TrainingSet
from trimtab.studies import choose_items, control_rates, evaluate_controls, joint_controls, records

model = tt.load("pocket-qwen")
half = model.n_layers // 2
train = TrainingSet(model, choose_items(tt.read_items("pocket-mc2:train"), 240, seed=0), [half])
test = choose_items(tt.read_items("pocket-mc2:test"), 80, seed=0)
needs_both = joint_controls(
    [i for i in tt.read_items("pocket-interference:test") if i.relevant == ("image", "text")][:80]
)

for target in ("image", "text"):
    methods = [
        tt.NoSteering(target).fit(model),
        DropModality(target).fit(model),
        GatedDrop(target).fit(model),  # Autotrim's gate alone: drops the others wherever the model sees a conflict
        tt.L2S(target, layer=half).fit(model, train),  # at strength 1; trimtab.steering.tune would choose
        Autotrim(target).fit(model),  # no training, no labels: it listens to the model itself
    ]
    found = tt.evaluate(model, test, methods)
    print(found.rates.query("task == 'all'")[["method", "target", "following", "collapse"]].to_string(index=False))
    for row in control_rates(records(evaluate_controls(model, needs_both, methods))):
        print(f"  {row['method']:10} right where both are needed: {row['accuracy']:.1%}")
