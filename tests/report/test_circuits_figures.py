from trimtab.report.circuits_figures import layers_figure, lens_figure


def layer(outcome: str) -> dict:
    values = {f"{part}{end}": 0.5 for part in ("attention", "mlp") for end in ("", "_low", "_high")}
    return {"layer": 0, "outcome": outcome, "prior": "all", "n": 3, **values}


def test_a_model_that_never_follows_still_has_its_legends():
    """The panel of its successes is empty; what the other panels show is named all the same."""
    figure = layers_figure({"layers": [layer("failure")]})
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["attention", "MLP"]


def test_the_lens_names_curves_of_either_panel():
    row = {"norm": "final", "span": "last", "target": "text", "outcome": "failure", "layer": 0, "agreement": 0.5}
    figure = lens_figure(
        {"baseline": [{"target": "text"}], "lens": [row | dict.fromkeys(("margin", "margin_low", "margin_high"), 0.1)]}
    )
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["text named, failure"]
