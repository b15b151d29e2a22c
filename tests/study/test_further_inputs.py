import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sets_made import made_states, made_study

from layerscope import Features, probe
from layerscope.cli.terminal import print_results
from layerscope.errors import UsageError
from layerscope.report.sets_and_plain import beyond_section, sets_section
from layerscope.scores.beyond_plain import beyond_plain
from layerscope.scores.combine import combine
from layerscope.scores.layer_selection import chosen_layer
from layerscope.scores.set_gains import gains_over_layer, steps_of_search


def layer_of(results, model="m"):
    return chosen_layer(results, "features", model).chosen


def test_the_pair_that_holds_a_half_each_is_found_and_a_third_adds_nothing_that_is_shown():
    results = probe(made_study(0, halves=(2, 4)), probes=["closed"], layers_as="search")
    facts = results.facts["tasks"]["features"]["layer_sets"]["m"]
    assert sorted(facts["layers"][0][:2]) == [2, 4]
    assert facts["steps"][1] == ["concat(2+4)", None]
    second, *others = (gain.verdict for gain in steps_of_search(results, layer_of(results)))
    assert (second, set(others)) == ("better", {"not told apart"})
    answer = results.answer()
    assert (answer.verdict, answer.input, answer.layer) == ("layer", "concat(2+4)", None)
    # What a set says of each clip is kept, as of a layer.
    assert set(results.predictions.input) == {"concat(2+4)", answer.plain.input}


def test_where_one_layer_holds_all_no_set_is_recommended():
    for seed in range(2):
        results = probe(made_study(seed, whole=3), probes=["closed"], layers_as="search,2+3,mean")
        answer = results.answer()
        assert (answer.verdict, answer.input, answer.layer) == ("layer", "layer", 3)
        assert not any(gain.verdict == "better" for gain in gains_over_layer(results, layer_of(results)))
        (text,) = (each for each in sets_section(results.only("features")).sentences if each.startswith("Not told"))
        assert "nothing shows that they hear more than that layer does, nor that they hear as much" in text


def test_over_folds_each_training_searches_with_its_own_clips():
    results = probe(made_study(1, folds=5, halves=(0, 5)), probes=["closed"], layers_as=["search", "0+5"])
    paths = results.facts["tasks"]["features"]["layer_sets"]["m"]["layers"]
    assert [sorted(path[:2]) for path in paths] == [[0, 5]] * 5
    rows = results.of(metric="accuracy").set_index("input").value
    # Of one pair in every training, the search is that pair.
    assert rows["search(2)"] == pytest.approx(rows["concat(0+5)"])
    assert next(gain.verdict for gain in steps_of_search(results, layer_of(results))) == "better"
    text = " ".join(sets_section(results.only("features")).sentences)
    assert "First two: 0+5 in 5 of 5 folds; a set is used by its name (--layers-as 0+5)." in text
    # What differs between trainings is nothing to use, a set by its name is.
    assert results.answer().input == "concat(0+5)"


def test_a_layer_adds_to_a_plain_feature_what_that_does_not_know():
    states, labels = made_states(3, halves=(1, 1))
    names = [f"c{label}" for label in labels]
    # The plain feature knows one half of the class, layer 1 the other and layer 4 what the feature knows.
    states[:, 1, 0] = np.random.default_rng(5).normal(size=400) + 5 * (labels // 2)
    states[:, 4, 0] += 5 * (labels % 2)
    moments = np.random.default_rng(4).normal(size=(400, 1, 12))
    moments[:, 0, 0] += 5 * (labels % 2)
    model = Features.from_arrays(states, names, model="m")
    plain = replace(Features.from_arrays(moments, names, model="mel", baseline=True), pooling="moments", widths=(2,))
    results = probe([model, plain], probes=["closed"], beyond_plain=True)
    layers = beyond_plain(results, "features", "m", "closed")
    assert [each.layer for each in layers if each.adds.verdict == "better"] == [1]
    # Every layer but that which knows it lacks what the feature knows.
    assert [each.layer for each in layers if each.lacks.verdict == "better"] == [0, 1, 2, 3, 5]
    (sentence,) = beyond_section(results.only("features")).sentences
    assert "validation prefers layer 1 of m" in sentence
    assert "layer 1 is shown to add to mel, which is shown to add to layers 0–3, 5" in sentence


def test_where_windows_differ_a_layer_is_held_against_what_stands_beside_it():
    results = probe(made_study(0, halves=(2, 4), plain_windows=3), probes=["closed"], beyond_plain=True)
    rows = results.of(input="plain", metric="accuracy", model="m")
    (layer, *_) = beyond_plain(results, "features", "m", "closed")
    assert [layer.adds.other] == list(rows.index)
    assert "its mean over each clip" in beyond_section(results.only("features")).sentences[0]


def test_what_nobody_asks_for_changes_nothing(tmp_path):
    plain, asked = (probe(made_study(2, whole=1), probes=["closed"], **how) for how in ({}, {"layers_as": "mean"}))
    assert "layer_sets" not in plain.facts["tasks"]["features"]
    plain.to_html(tmp_path / "report.html")
    assert "layer_sets" not in json.loads((tmp_path / "answer.json").read_text())[0]
    assert not (tmp_path / "tables" / "layer_sets.csv").exists()
    kept = asked.summary[asked.summary.input != "mean(0-5)"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, plain.summary)


def test_the_answer_and_tables_hold_them(tmp_path):
    results = probe(made_study(0, halves=(2, 4)), probes=["closed"], layers_as="search", beyond_plain=True)
    results.to_html(tmp_path / "report.html")
    (answer,) = json.loads((tmp_path / "answer.json").read_text())
    assert answer["headline"].startswith("Use layers 2, 4 of m side by side: they beat layer ")
    assert answer["layer_sets"]["searched"]["m"][0][:2] in ([2, 4], [4, 2])
    assert answer["layer_sets"]["steps"][0]["verdict"] == "better"
    assert {each["what"] for each in answer["beyond_plain"]} == {"adds", "lacks"}
    assert list(pd.read_csv(tmp_path / "tables" / "layer_sets.csv").columns) == [
        "task", "what", "model", "probe", "input", "minus", "difference", "low", "high", "verdict",
    ]  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    assert "Layers together" in page
    assert "Beyond plain features" in page
    print_results(results)


def test_layers_that_differ_in_width_are_side_by_side_alone():
    states, labels = made_states(0, halves=(0, 1), layers=2)
    wide = np.random.default_rng(0).normal(size=(400, 5))
    features = Features.from_arrays([states[:, 0], states[:, 1], wide], [f"c{label}" for label in labels], model="m")
    results = probe(features, probes=["closed"], layers_as="1+2,0+1")
    assert {"concat(1+2)", "mean(0+1)", "concat(0+1)"} <= set(results.summary.input)
    assert "mean(1+2)" not in set(results.summary.input)
    assert sets_section(results.only("features")).sentences[-1] == (
        "1+2 of m has no mean, since its layers differ in width: it is side by side alone."
    )


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"layers_as": "2+9"}, "m has no layer 9; it has 0-5"),
        ({"layers_as": "4"}, "two layers or more"),
        ({"layers_as": ["2+4", "4+2"]}, "'2\\+4' is given twice"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(how, words):
    with pytest.raises(UsageError, match=words):
        probe(made_study(0), probes=["closed"], **how)


def test_a_study_without_both_is_refused():
    model, plain = made_study(0)
    with pytest.raises(UsageError, match="needs a plain feature"):
        probe(model, beyond_plain=True)
    with pytest.raises(UsageError, match="about layers of a model"):
        probe(plain, layers_as="2+4")


def test_runs_that_are_put_together_keep_what_each_asked():
    first, plain = made_study(0, halves=(2, 4))
    second = replace(made_study(0, halves=(1, 3))[0], model="n")
    runs = [probe([each, plain], probes=["closed"], layers_as="search", beyond_plain=True) for each in (first, second)]
    both = combine(runs)
    assert list(both.facts["tasks"]["features"]["layer_sets"]) == ["m", "n"]
    assert next(gain.verdict for gain in steps_of_search(both, layer_of(both, "n"))) == "better"
    assert len(beyond_plain(both, "features", "n", "closed")) == 6
