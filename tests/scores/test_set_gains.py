from dataclasses import replace

import numpy as np
import pytest
from test_score_table import entry
from test_verdict import control, layer, mel, results_of

from layerscope.report.headline import headline
from layerscope.scores.layer_selection import chosen_layer
from layerscope.scores.set_gains import gains_over_layer, steps_of_search
from layerscope.scores.verdict import decide


def layers_together(name, valid, test):
    return entry(None, valid, test, input=name)


def study(*sets, knows=0.6, plain=0.4, **facts):
    return results_of(layer(0, 0.3, 0.3), layer(1, knows, knows), *sets, mel(plain), control(0.1, 0.2), **facts)


def test_a_set_that_is_shown_to_beat_the_layer_is_the_answer():
    results = study(layers_together("concat(0+1)", 0.9, 0.9))
    answer = decide(results, "d")
    assert (answer.verdict, answer.input, answer.layer, answer.candidates) == (
        "layer", "concat(0+1)", None, ["m, concat(0+1), mlp"],
    )  # fmt: skip
    assert "of the sets of layers shown to beat layer 1" in answer.chosen
    assert headline(results, answer) == (
        "Use layers 0, 1 of m side by side: they beat layer 1 alone and plain features."
    )


@pytest.mark.parametrize("name", ["concat", "weighted", "search(2)", "plain+layer"])
def test_what_nobody_asked_for_or_can_use_never_is(name):
    answer = decide(study(layers_together(name, 0.9, 0.9)), "d")
    assert (answer.verdict, answer.layer) == ("layer", 1)


def test_a_set_that_is_not_told_apart_from_the_layer_is_not():
    assert decide(study(layers_together("mean(0+1)", 0.9, 0.6)), "d").layer == 1


def test_a_set_that_beats_no_plain_feature_is_not():
    answer = decide(study(layers_together("concat(0+1)", 0.8, 0.8), plain=0.8), "d")
    assert answer.input != "concat(0+1)"


def test_of_many_sets_one_that_luckily_beats_a_plain_feature_is_not():
    lucky, *others = (layers_together(f"mean(0-{number})", 0.9, 0.83) for number in range(1, 9))
    random = np.random.default_rng(1)
    # Each varies by .02 beside the plain feature: one lies 2.2 deviations above it, and the others where it is.
    apart = [replace(each, draws=each.draws + random.normal(0, 0.02, 1000)) for each in (lucky, *others)]
    level = [replace(each, rows=of(each, 0.785), draws=each.draws - 0.045) for each in apart[1:]]
    assert decide(study(apart[0], plain=0.785), "d").input == "mean(0-1)"
    assert decide(study(apart[0], *level, plain=0.785), "d").input != "mean(0-1)"


def of(made, value):
    return [row | {"value": value} if row["split"] == "test" else row for row in made.rows]


def test_a_set_is_not_where_its_layer_does_not_beat_the_controls():
    results = results_of(
        layer(0, 0.3, 0.3), layer(1, 0.6, 0.6), layers_together("concat(0+1)", 0.9, 0.9), control(0.7, 0.2)
    )
    assert decide(results, "d").verdict == "nothing"


def test_of_several_sets_validation_prefers_one():
    sets = [layers_together("concat(0+1)", 0.80, 0.9), layers_together("mean(0+1)", 0.85, 0.8)]
    assert decide(study(*sets), "d").input == "mean(0+1)"


def test_a_layer_of_a_search_that_is_not_shown_to_add_keeps_its_set_out():
    sets = [layers_together("concat(0+1)", 0.80, 0.9), layers_together("concat(0-2)", 0.85, 0.9)]
    steps = [["layer", 1], ["concat(0+1)", None], ["concat(0-2)", None]]
    results = study(*sets, layer_sets={"m": {"left_out": [], "steps": steps, "layers": [[1, 0, 2]]}})
    row = chosen_layer(results, "d", "m").chosen
    assert [gain.verdict for gain in steps_of_search(results, row)] == ["better", "not told apart"]
    assert {gain.verdict for gain in gains_over_layer(results, row)} == {"better"}
    assert decide(results, "d").input == "concat(0+1)"


def test_without_a_search_there_are_no_steps():
    results = study(layers_together("concat(0+1)", 0.9, 0.9))
    assert steps_of_search(results, chosen_layer(results, "d", "m").chosen) == []


def test_of_two_inputs_of_which_neither_hears_anything_none_is_better():
    results = results_of(layer(1, 0.3, 0.0), layers_together("concat(0+1)", 0.3, 0.15))
    (gain,) = gains_over_layer(results, chosen_layer(results, "d", "m").chosen)
    assert gain.gap.low > 0
    assert gain.verdict == "not told apart"
