"""The model card of an artifact: what it is, how well it works, how to load it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

CARD = """---
library_name: trimtab
tags: [steering, multimodal, modality-preference]
---
# {method}: follow the {target}

A trimtab steering artifact for **{model}**. It makes the model answer from the
{target} where another modality supports another answer. It fits no other model.

| | |
|---|---|
| method | `{method}` |
| target | {target} |
| layer | {layer} |
| positions | {positions} |
| strength | {strength:g} |
| model fingerprint | `{model_fingerprint}` |
| training data fingerprint | {data} |

## Use

```python
import trimtab as tt

model = tt.load("{model}")
artifact = tt.load_artifact("path/to/this/folder", model)
answers = tt.generate(model, artifact.rows(model, items))
```

## What was measured

{measured}

## Options

```json
{options}
```
"""


def model_card(artifact: Artifact) -> str:
    """Return the README of an artifact as Markdown."""
    edits = artifact.direction is not None
    layers, positions = (getattr(artifact.chooser, name, None) for name in ("layers", "positions"))
    return CARD.format(
        method=artifact.method,
        target=artifact.target,
        model=artifact.model_name,
        layer=artifact.layer if edits else _layers(layers) if artifact.chooser else "none edited",
        positions=f"`{artifact.positions if edits else positions}`" if edits or positions else "none",
        strength=artifact.strength,
        model_fingerprint=artifact.model_fingerprint,
        data=f"`{artifact.data_fingerprint}`" if artifact.data_fingerprint else "none: the method needs no training",
        measured=_measured(artifact),
        options=json.dumps(artifact.options, indent=2),
    )


def _layers(chosen: Sequence[int] | int | None) -> str:
    """Name layers that were chosen; a number says how many layers there are, all of which are edited."""
    if isinstance(chosen, int):
        return f"all {chosen}"
    return ", ".join(map(str, chosen)) if chosen else "its own choice, item by item"


def _measured(artifact: Artifact) -> str:
    return "\n\n".join(found for found in (_origin(artifact), _validation(artifact), _ratio(artifact)) if found)


def _origin(artifact: Artifact) -> str:
    """Say where vectors that were made elsewhere come from, and what is not known of them."""
    found = artifact.metrics.get("import")
    if found is None:
        return ""
    return f"Imported from `{found['file']}` ({found['format']}). The file does not say: {'; '.join(found['unsaid'])}."


def _ratio(artifact: Artifact) -> str:
    """Say how far the ratio that scaled the vectors can be relied on, if there was one."""
    found = artifact.metrics.get("train", {}).get("ratio")
    if found is None:
        return ""
    known = "not defined" if found["reliability"] is None else f"{found['reliability']:.2f}"
    return (
        f"The ratio that scales the vectors is measured by `{found['measured_by']}`. Its reliability, the rank "
        f"correlation between two seeds on the training items, is {known}; what is exact has 1."
    )


def _validation(artifact: Artifact) -> str:
    found = artifact.metrics.get("validation")
    if found is None:
        return "Nothing yet: layer and strength were not tuned on validation items."
    return (
        f"On {found['items']} validation items, which also chose layer and strength: follows the {artifact.target} in "
        f"{found['following']:.1%}, another modality in {found['opposite']:.1%}, none in {found['other']:.1%}; "
        f"{found['collapse']:.1%} of the answers are collapsed."
    )
