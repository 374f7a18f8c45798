"""A steering study of seconds, as its file says it; ``model`` and ``data`` are to be filled in."""

STUDY = """
name: tiny
models: [{model}]
data: {data}
methods: [none, mean]
targets: [image]
train_items: 6
validation_items: 4
test_items: 6
sweep_items: 2
contribution_items: 2
depths: [0.5]
strengths: [1.0]
chunk: 4
"""
