"""What tables and curves say that they could show."""

from trimtab.report.power import curve_power, oracle_power, power_note


def test_a_table_of_oracles_says_what_so_many_items_could_show():
    row = {"method": "l2s", "n": 200, "following": 0.7, "best_fixed": 0.5}
    rows = [row, {**row, "n": 100, "following": 0.6}, {**row, "method": "amps"}]
    assert oracle_power(rows) == power_note(100, 2, 0.7 - 0.5)
    assert "With 100 items and 2 comparisons corrected together, a difference below 7.0 points" in oracle_power(rows)
    assert oracle_power([]) == ""


def test_curves_say_how_wide_half_a_band_is():
    bands = [(0.0, 0.2), (-0.1, 0.5), (None, None), (1.0, 5.0)]
    rows = [{"effect_low": low, "effect_high": high} for low, high in bands]
    said = "Half a band is 0.3 nats in the median of all curves and layers (0.1 to 2): a smaller effect could not"
    assert curve_power(rows, ["effect"], "nats").startswith(said)
    assert "No curve has a band" in curve_power(rows[2:3], ["effect"], "nats")
    assert curve_power([], ["effect"], "nats") == ""
