from trimtab.report.words import cautions


def test_each_kind_of_bundled_model_has_its_caution():
    said = cautions({"models": ["pocket-qwen", "smol-llava", "mine"], "refused": []})
    assert said[0].startswith("pocket-qwen is a small model")
    assert said[1].startswith("smol-llava is a language model of 135 million parameters that others trained")
    assert not any("smol-llava" in text for text in cautions({"models": ["pocket-qwen"], "refused": []}))
    assert not any("pocket" in text for text in cautions({"models": ["mine"], "refused": []}))
