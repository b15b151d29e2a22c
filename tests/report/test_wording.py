import pytest

from layerscope.report.wording import layer_list, metric_name, number


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
