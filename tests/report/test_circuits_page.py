"""The page of circuits results: claims side by side, heads, and patched states of deep models at even steps."""

import pytest
from benchmarks.circuits import results
from benchmarks.evidence.sources import Evidence, Source

from trimtab.errors import UsageError


def study(name: str, layers: int, curves: list[dict]) -> dict:
    rate = {"rate": 0.5, "rate_low": 0.4, "rate_high": 0.6}
    return {
        "name": name,
        "model": {"layers": layers, "heads": 4},
        "plan": {"score_items": 8, "validation_items": 6, "test_items": 10, "ability_items": 12},
        "claims": [{"claim": "Deep attention arbitrates.", "verdict": "no", "evidence": f"from layer 1 of {layers}"}],
        "rates": [{"condition": "intact", "measure": m, **rate} for m in ("image", "both")],
        "choices": [{"score": "direct", "heads": [[1, 2]], "jaccard": 0.5, "chance": 0.1, "spearman": 0.3}],
        "choice": {"score": "direct"},
        "patching": {
            "curves": curves,
            "crossovers": [{"target": "image", "n": 9, "low": 1.0, "median": 2.0, "high": 3.0, "deep": 0.25}],
            "foretelling": [{"target": "image", "predictor": "crossover", "rho": None}],
            "overrides": [],
            "ablation": [],
        },
    }


def test_models_stand_side_by_side_and_deep_ones_are_shown_at_even_steps(tmp_path, monkeypatch):
    curve = [{"donor": "image", "part": "last", "n": 7, "layer": k, "flips": k / 100} for k in range(30)]
    made = {"shallow": study("shallow", 12, []), "deep": study("deep", 30, curve)}
    sources = tuple(Source("circuits", tmp_path / name, found, f"make {name}") for name, found in made.items())
    monkeypatch.setattr(results, "read", lambda runs: Evidence(sources))
    text = results.write_page([tmp_path / "shallow", tmp_path / "deep"], tmp_path / "page.md").read_text()
    assert "| claim | shallow | deep |" in text
    assert "| **no**: from layer 1 of 12 | **no**: from layer 1 of 30 |" in text
    assert "- deep: 120 heads; 8 items to score them, 6 to choose, 10 to test" in text
    assert "(`make deep`)" in text
    assert "| intact | 50 (40 to 60) |" in text  # "both" has no column of its own
    assert text.count("States of another prompt") == 1  # where nothing was patched, nothing is said
    assert "| another image: last token | 7 | 0 | 3 | 6 | 9 | 12 | 15 | 18 | 21 | 24 | 27 | 29 |" in text
    assert "| image | 9 | 2 (1 to 3) | 25 |  |" in text
    with pytest.raises(UsageError, match="finished circuits studies; other is none"):
        results.write_page([tmp_path / "deep", tmp_path / "other"], tmp_path / "page.md")
