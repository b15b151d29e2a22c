import numpy as np
import pytest
from test_score_table import entry

from layerscope.errors import UsageError
from layerscope.scores.combine import combine, names_by_window, renamed
from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate


def study_of(model, digest="same", task="d", network="", value=0.6, target="label"):
    entries = [entry(layer, 0.5, value, model=model) for layer in (0, 1)]
    facts = {"models": {model: {"baseline": False, "untrained": False, "network": network}}, "seeds": 1, "note": "",
             "tasks": {task: {"primary": "accuracy", "digest": digest, "target": target}},
             "passes": {model: {}}}  # fmt: skip
    return Results(*tabulate(entries), facts, {})


def test_runs_are_put_side_by_side():
    both = combine([study_of("a"), study_of("b")])
    assert both.best_layers().model.tolist() == ["a", "b"]
    assert set(both.facts["models"]) == {"a", "b"}
    rows = both.of(metric="accuracy", input="layer")
    assert both.compare(rows.index[0], rows.index[2]).difference == pytest.approx(0.0)


def test_runs_that_do_not_compare_are_refused():
    with pytest.raises(UsageError, match="different clips, labels or splits"):
        combine([study_of("a"), study_of("b", digest="other")])
    with pytest.raises(UsageError, match=r"is of 'label' .* and of 'mood' .*--target label --target mood"):
        combine([study_of("a"), study_of("a", target="mood", digest="other")])
    with pytest.raises(UsageError, match="'a' has other scores on 'd'"):
        combine([study_of("a"), study_of("a", value=0.7)])


def test_networks_of_one_name_are_compared():
    with pytest.raises(UsageError, match=r"'a' is another network .*\(fingerprints 1111 and 2222\)"):
        combine([study_of("a", network="1111"), study_of("a", network="2222")])


def test_what_runs_hold_alike_stands_once():
    both = combine([study_of("a", network="1111"), study_of("b"), study_of("a", network="1111")])
    assert both.summary.model.unique().tolist() == ["a", "b"]
    assert len(both.summary) == len(both.draws) == 2 * len(study_of("a").summary)


def test_runs_of_one_model_with_different_probes_are_put_together():
    from layerscope import Features, probe

    states, labels = np.random.default_rng(0).normal(size=(60, 2, 4)), ["minor", "major"] * 30
    features = Features.from_arrays(states, labels, model="a")
    runs = [probe(features, probes=probes) for probes in (["closed"], ["linear", "closed"])]
    both = combine(runs)
    assert sorted(both.summary.probe.unique()) == ["closed", "linear"]
    assert len(both.summary) == len(runs[1].summary)


def test_runs_that_differ_in_their_window_are_told_apart_by_it():
    runs = [study_of("a", network="1111", value=value) for value in (0.5, 0.6, 0.7)]
    names = names_by_window(runs, [1.0, 3.5, None])
    both = combine(list(map(renamed, runs, names)))
    assert both.summary.model.unique().tolist() == ["a, 1 s", "a, 3.5 s", "a"]
    assert list(both.facts["models"]) == list(both.facts["passes"]) == ["a, 1 s", "a, 3.5 s", "a"]
    rows = both.of(metric="accuracy", input="layer", layer=0)
    assert both.compare(rows.index[2], rows.index[0]).difference == pytest.approx(0.2)
    # Nothing is renamed that only one window has.
    assert names_by_window([study_of("a"), study_of("b")], [1.0, 3.0]) == [{}, {}]


def test_what_is_told_of_a_model_by_its_name_is_renamed_with_it():
    runs = [study_of("a", value=value) for value in (0.5, 0.6)]
    for run, layers in zip(runs, ([[0, 1]], [[1, 0]]), strict=True):
        run.facts["tasks"]["d"]["layer_sets"] = {"a": {"layers": layers}}
    both = combine(list(map(renamed, runs, names_by_window(runs, [1.0, None]))))
    assert both.facts["tasks"]["d"]["layer_sets"] == {"a, 1 s": {"layers": [[0, 1]]}, "a": {"layers": [[1, 0]]}}
