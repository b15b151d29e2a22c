import numpy as np
import pytest
from test_score_table import entry

from layerscope import Features, probe
from layerscope.errors import UsageError
from layerscope.scores.combine import combine
from layerscope.scores.run_names import Source
from layerscope.scores.score_table import Results
from layerscope.scores.tabulate import tabulate


def study_of(model, digest="same", task="d", network="", value=0.6):
    entries = [entry(layer, 0.5, value, model=model) for layer in (0, 1)]
    facts = {"models": {model: {"baseline": False, "untrained": False, "network": network}}, "seeds": 1, "note": "",
             "tasks": {task: {"primary": "accuracy", "digest": digest}},
             "passes": {model: {}}}  # fmt: skip
    return Results(*tabulate(entries), facts, {})


def test_runs_are_put_side_by_side():
    both = combine([study_of("a"), study_of("b")])
    assert both.best_layers().model.tolist() == ["a", "b"]
    assert set(both.facts["models"]) == {"a", "b"}
    rows = both.of(metric="accuracy", input="layer")
    assert both.compare(rows.index[0], rows.index[2]).difference == pytest.approx(0.0)


def test_runs_that_do_not_compare_are_refused():
    with pytest.raises(UsageError, match=r"different clips, labels or splits in run 1 and run 2; .*NAME=run 2"):
        combine([study_of("a"), study_of("b", digest="other")])
    with pytest.raises(UsageError, match="'a' has other scores on 'd'"):
        combine([study_of("a"), study_of("a", value=0.7)])


def test_what_contradicts_is_named_with_the_runs_and_options_that_differ():
    sources = [Source("runs/a", {"split_seed": 0, "model": ["a"]}), Source("runs/b", {"split_seed": 1, "model": ["b"]})]
    with pytest.raises(UsageError, match=r"in runs/a and runs/b \(--split-seed is 0 in runs/a and 1 in runs/b\); run"):
        combine([study_of("a"), study_of("b", digest="other")], sources)
    other = study_of("b", digest="other")
    other.facts["tasks"]["d"] |= {"clips": 70, "names": ["x", "y"]}
    first = study_of("a")
    first.facts["tasks"]["d"] |= {"clips": 72, "names": ["x", "z"]}
    with pytest.raises(UsageError, match=r"72 clips and 70, skipped.csv says why; only one has 'y', 'z'"):
        combine([first, other])


def test_a_task_of_two_numbers_of_seeds_is_refused_and_two_tasks_are_not():
    first, other = study_of("a"), study_of("b")
    other.facts["seeds"] = 3
    with pytest.raises(UsageError, match=r"probes of 1 seeds in run 1 and of 3 in run 2; .*--seeds"):
        combine([first, other])
    other = study_of("a", task="e", digest="another")
    other.facts["seeds"] = 3
    assert [facts["seeds"] for facts in combine([first, other]).facts["tasks"].values()] == [1, 3]


def test_a_run_whose_probes_take_no_seeds_stands_beside_any_number_of_them():
    labels, states = ["minor", "major"] * 30, np.random.default_rng(0).normal(size=(60, 2, 4))
    features = [Features.from_arrays(states, labels, model=name) for name in ("a", "b", "c")]
    asked = [{"probes": "closed", "seeds": 4}, {"probes": "mlp", "seeds": 2}, {"probes": "mlp", "seeds": 1}]
    exact, two, one = (probe(each, **options) for each, options in zip(features, asked, strict=True))
    for runs in ([exact, two], [two, exact]):
        assert combine(runs).facts["tasks"]["features"]["seeds"] == 2
    with pytest.raises(UsageError, match="probes of 2 seeds in run 2 and of 1 in run 3"):
        combine([exact, two, one])


def test_a_run_that_asked_for_more_inputs_stands_for_one_that_asked_for_fewer():
    fewer, more = study_of("a"), study_of("a")
    rows = fewer.summary.layer == 0
    fewer = Results(fewer.table[fewer.table.layer == 0], fewer.summary[rows], fewer.draws[rows], fewer.facts)
    for runs in ([fewer, more], [more, fewer]):
        for run in runs:
            run.summary[["chosen", "in_best_set"]] = False
        assert len(combine(runs).summary) == len(more.summary) == len(combine(runs).draws)


def test_what_befell_single_models_is_told_of_those_of_every_run():
    runs = [study_of("a"), study_of("b")]
    for run, cut in zip(runs, (["a (layer 1)"], ["b (concat)"]), strict=True):
        run.facts["tasks"]["d"]["cut"] = cut
    runs[1].facts["tasks"]["d"]["not_pooled"] = True
    facts = combine(runs).facts["tasks"]["d"]
    assert (facts["cut"], facts["not_pooled"]) == (["a (layer 1)", "b (concat)"], True)


def test_clips_left_out_are_told_with_their_task_where_there_are_several():
    runs = [study_of("a"), study_of("a", task="e")]
    for run in runs:
        run.skipped["1.wav"] = f"unreadable in {run.tasks[0]}"
    assert combine(runs).skipped == {"d: 1.wav": "unreadable in d", "e: 1.wav": "unreadable in e"}


def test_networks_of_one_name_are_compared():
    with pytest.raises(UsageError, match=r"'a' is another network.* \(fingerprints 1111, 2222\)"):
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
