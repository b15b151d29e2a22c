import pandas as pd
import pytest

from layerscope.report.wording import describe, layer_list, metric_name, number


@pytest.mark.parametrize(("layers", "text"), [([0], "0"), ([0, 1], "0–1"), ([0, 2, 3, 4, 9], "0, 2–4, 9"), ([], "")])
def test_layers_are_listed_in_runs(layers, text):
    assert layer_list(layers) == text


def test_numbers_are_written_as_in_papers():
    assert number("accuracy", 0.8234) == "82.3"
    assert number("accuracy", -0.05, signed=True) == "−5.0"
    assert number("r2", 0.6123) == "0.612"
    assert number("r2:valence", 0.1, signed=True) == "+0.100"
    assert number("accuracy", float("nan")) == "undefined"
    assert (metric_name("r2:valence"), metric_name("roc_auc")) == ("R² of valence", "ROC-AUC")


def test_the_first_layer_of_a_search_is_one():
    rows = [pd.Series({"input": f"search({count})", "model": "m", "layer": 0}) for count in (1, 2)]
    assert list(map(describe, rows)) == [
        "the layer of m that each fold searches",
        "the 2 layers of m that each fold searches",
    ]
