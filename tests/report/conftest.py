"""A finished study made up of numbers, so that the report can be tested without a model."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.evidence.sources import Source, read
from pandas import DataFrame

from trimtab.studies import SCHEMA_VERSION, Plan, summarise, versions

TASKS = ("color", "counting", "object_recognition")
MODELS = ("pocket-qwen", "pocket-llava")
STRENGTHS = (1.0, 2.0)
# Of 60 items each method follows the target on the first so many; amps beats l2s on the image, not on the text.
FOLLOWED = {
    "image": {"none": 12, "instruction": 24, "mean": 20, "l2s": 30, "amps": 48},
    "text": {"none": 40, "instruction": 48, "mean": 44, "l2s": 52, "amps": 53},
}


def answers() -> DataFrame:
    rows = []
    for model in MODELS:
        for target, methods in FOLLOWED.items():
            for method, followed in methods.items():
                plain = method in ("none", "instruction")
                for strength in (0.0,) if method == "none" else (1.0,) if plain else STRENGTHS:
                    for i in range(60):
                        other = "text" if target == "image" else "image"
                        rows.append(
                            {
                                "id": f"i{i}",
                                "task": TASKS[i % 3],
                                "model": model,
                                "method": method,
                                "target": target,
                                "protocol": "open",
                                "strength": strength,
                                "chosen": plain or method == "none" or strength == 1.0,
                                "label": target if i < followed else "other" if i == 59 else other,
                                "collapsed": i == 59 and method == "amps",
                                "reason": "",
                            }
                        )
    return DataFrame(rows)


def artifacts() -> DataFrame:
    return DataFrame(
        {
            "model": m,
            "folder": m,
            "method": method,
            "kind": method,
            "target": t,
            "layer": None if method in ("none", "instruction") else 5,
            "strength": 1.0,
            "reading": "prose" if method == "amps" else None,
            "train_items": 240,
            "varied": "",
        }
        for m in MODELS
        for t in FOLLOWED
        for method in FOLLOWED[t]
    )


@pytest.fixture(scope="session")
def summary() -> dict:
    contributions = DataFrame(
        {
            "model": m,
            "instruction": i,
            "item_id": f"i{k}",
            "task": TASKS[k % 3],
            "image": 0.2 + 0.01 * k,
            "text": 0.8 - 0.01 * k,
            "ratio": 0.2 + 0.01 * k,
        }
        for m in MODELS
        for i in ("none", "image", "text")
        for k in range(30)
    )
    model = {
        "fingerprint": "0" * 16,
        "family": "llava",
        "layers": 12,
        "heads": 8,
        "parameters": 9e6,
        "dtype": "float32",
    }
    models: dict[str, Any] = dict.fromkeys(MODELS, model)
    found = summarise(Plan(strengths=STRENGTHS), models, answers(), contributions, artifacts(), [])
    return {"schema_version": SCHEMA_VERSION, "kind": "steering", **found}


@pytest.fixture(scope="session")
def provenance(summary: dict) -> dict:
    entry = {"edit": "AddVector(from_last_prompt)", "layer": 5, "rows": 60, "prompt_positions": 60}
    entry |= {"generated_positions": 61, "relative_change": 0.5, "measured": 60}
    return {
        "versions": versions(),
        "commit": "0123abcd",
        "hardware": {"system": "Linux", "cores": 2},
        "models": summary["models"],
        "data": {"test": {"items": 60, "skipped": 0, "fingerprint": "f" * 64}},
        "seconds": 12.0,
        "evaluation": {"rows": 60, "passes": 2, "tokens": 100, "naive_tokens": 900},
        "steps": {f"{m}/evaluate-{k}": {"seconds": 1.0, "receipt": [entry]} for m in MODELS for k in (0, 1)},
    }


@pytest.fixture
def run(tmp_path: Path, summary: dict, provenance: dict) -> Path:
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "provenance.json").write_text(json.dumps(provenance))
    return tmp_path


@pytest.fixture
def study(run: Path) -> Source:
    rows = answers()
    rows.loc[(rows["method"] == "mean") & (rows["strength"] == 2.0) & (rows["target"] == "image"), "collapsed"] = True
    rows.to_parquet(run / "items.parquet", index=False)
    (run / "config.yaml").write_text("plan: {name: demo}")
    return next(iter(read([run]).sources))
