import math

import numpy as np
import pytest
from made_study import made_study, named
from scipy.stats import spearmanr
from test_score_table import entry

from layerscope.scores.probe_agreement import lowest_rank_correlation, pairs_of_probes
from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate

ORDERS = {"mlp": [0.5, 0.6, 0.7, 0.8, 0.9], "linear": [0.5, 0.6, 0.7, 0.9, 0.8], "knn": [0.9, 0.8, 0.7, 0.6, 0.5]}


def study(orders):
    entries = [
        named(entry(layer, value, value, model="m"), "a", probe)
        for probe, values in orders.items()
        for layer, value in enumerate(values)
    ]
    made = made_study(("a",), ("m",), layers=len(next(iter(orders.values()))))
    return Results(*tabulate(entries), made.facts, {})


def test_every_two_probes_are_held_against_each_other():
    results = study(ORDERS)
    pairs = {(pair.first, pair.second): pair for pair in pairs_of_probes(results, "a", "m")}
    assert list(pairs) == [("mlp", "linear"), ("mlp", "knn"), ("linear", "knn")]
    for (first, second), pair in pairs.items():
        assert pair.correlation == pytest.approx(spearmanr(ORDERS[first], ORDERS[second]).statistic)
        assert -1 <= pair.low <= pair.high <= 1
    assert lowest_rank_correlation(results, "a", "m") == pytest.approx(-1.0)


def test_the_range_is_of_the_resamples():
    results = study({"mlp": ORDERS["mlp"], "knn": ORDERS["linear"]})
    (pair,) = pairs_of_probes(results, "a", "m")
    rows = results.of(task="a", model="m", metric="accuracy", input="layer")
    ours, theirs = (results.draws[rows.index[rows.probe == probe]] for probe in ("mlp", "knn"))
    expected = [spearmanr(ours[:, draw], theirs[:, draw]).statistic for draw in range(ours.shape[1])]
    assert [pair.low, pair.high] == pytest.approx(np.nanpercentile(expected, [2.5, 97.5]))


def test_few_layers_and_layers_that_score_alike_say_nothing():
    assert pairs_of_probes(study({"mlp": [0.5, 0.6, 0.7], "knn": [0.5, 0.6, 0.7]}), "a", "m") == []
    alike = study({"mlp": [0.5] * 5, "knn": ORDERS["knn"]})
    assert math.isnan(pairs_of_probes(alike, "a", "m")[0].correlation)
    assert math.isnan(lowest_rank_correlation(alike, "a", "m"))
