"""Few labels in a study: the layer that is better with few is found, and nothing is written where nobody asks."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.truth.few_labels import claims, learnt

import layerscope as ls
from layerscope.data.splits import Part
from layerscope.probes.fitting import Target
from layerscope.scores.learning_curve import FewLabels
from layerscope.study.cost import check
from layerscope.study.few_labels import FewLabelTask, few_label_digest, few_label_jobs, learn_all, learn_from_few
from layerscope.study.options import make_plan
from layerscope.study.run import run

FILES = ("few_labels.csv", "few_labels_compared.csv", "code_length.csv")


def features_of(labels, knows=1, seed=0, **more):
    """Return features of two layers, of which one is told by the labels' numbers."""
    random = np.random.default_rng(seed)
    states = random.normal(size=(len(labels), 2, 4))
    states[:, 1, 0] += knows * np.array([float(np.ravel(label)[0] == np.ravel(labels[0])[0]) for label in labels])
    return ls.Features.from_arrays(states, labels, **more)


def test_the_layer_that_is_better_with_few_labels_is_found_and_the_other_with_all():
    few = learnt("crossing", 1)
    row = few.crossings[few.crossings.shown].iloc[-1]
    assert (row.few, row["all"], row.reversed) == (1, 2, True)
    code = few.code.set_index("layer")
    assert not code.beats_control[0]
    assert code.beats_control[1]
    assert code.uniform[0] == 3.0


@pytest.mark.slow
def test_of_noise_no_layer_is_better_and_no_code_shorter():
    few = learnt("noise", 0)
    assert claims(few)[:2] == [False, False]
    assert (few.code.ci_high > few.code.uniform).all()
    assert not few.code.beats_control.any()


@pytest.mark.slow
def test_of_equal_layers_none_is_called_better():
    assert not any(claims(learnt("equal", seed))[0] for seed in range(2))


def test_every_size_and_draw_is_a_row_and_with_all_labels_draws_are_one():
    results = ls.probe(features_of(["a", "b"] * 60, knows=3.0), probes="closed", few_labels="closed")
    curves = results.few_labels.curves
    assert list(dict.fromkeys(curves.labels)) == ["1", "2", "4", "8", "16", "32", "all"]
    assert len(curves) == 2 * 7 * 5
    whole = curves[curves.labels == "all"]
    assert whole.groupby("layer").value.nunique().tolist() == [1, 1]
    assert set(whole.clips) == {72}
    means = curves.groupby(["layer", "labels"]).value.mean()
    told = curves.groupby(["layer", "labels"])["mean"].first()
    np.testing.assert_allclose(means, told)
    inside = (curves.ci_low <= curves["mean"]) & (curves["mean"] <= curves.ci_high)
    assert inside.all()


def test_tags_have_a_code_and_are_drawn_by_share():
    labels = [["x"] if number % 3 else ["y"] for number in range(90)]
    features = features_of(labels, knows=4.0, kind="tags", groups=[str(number // 2) for number in range(90)])
    few = ls.probe(features, probes="closed", few_labels="closed").few_labels
    assert set(few.curves.unit) == {"group"}
    assert list(dict.fromkeys(few.curves.labels)) == ["20 %", "50 %", "100 %"]
    assert few.code.set_index("layer").bits[1] < few.code.set_index("layer").bits[0]
    assert set(few.code.uniform) == {1.0}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classes", "tags"])
def test_the_linear_probe_may_be_asked(kind):
    labels = ["a", "b"] * 20 if kind == "classes" else [["x"], ["y"]] * 20
    features, rows = features_of(labels, knows=4.0, kind=kind), np.arange(40)
    target = Target(features.labels, [Part(rows[:20], rows[20:30], rows[30:])])
    sizes = ["4", "all"] if kind == "classes" else ["50 %", "100 %"]
    task = FewLabelTask(target, rows, sizes, "linear", 0, draws=1)
    noise, knows = (learn_from_few(job, task) for job in few_label_jobs([features], "linear"))
    assert np.nanmean(knows.bits) < np.nanmean(noise.bits)
    assert target.labels.take(rows[30:]).score(knows.test[-1, 0])[0] > 0.8
    assert np.isnan(knows.bits[0]).tolist() == [False] * 20 + [True] * 20


def test_values_have_curves_and_no_code():
    random = np.random.default_rng(0)
    values = random.normal(size=90)
    states = random.normal(size=(90, 2, 4))
    states[:, 1, 0] = values
    few = ls.probe(ls.Features.from_arrays(states, values), probes="closed", few_labels="closed").few_labels
    assert few.curves[few.curves.layer == 1]["mean"].max() > 0.9
    assert few.code.empty


def test_over_folds_every_clip_is_tested_and_costs_its_mean():
    features, rows = features_of(["a", "b"] * 30, knows=3.0), np.arange(60)
    folds = [rows[rows // 2 % 3 == fold] for fold in range(3)]
    parts = [Part(folds[2], folds[1], folds[0]), Part(folds[0], folds[2], folds[1]), Part(folds[1], folds[0], folds[2])]
    task = FewLabelTask(Target(features.labels, parts), rows, ["2", "all"], "closed", 0, draws=2)
    left = learn_from_few(few_label_jobs([features], "closed")[1], task)
    assert left.clips.tolist() == [[4, 4], [20, 20]]
    assert (features.labels.score(left.test[1, 0])[0], features.labels.score(left.valid[1, 0])[0]) > (0.8, 0.8)
    # Each part trains a third, which are all: clip by clip as that part alone would say it.
    assert np.isfinite(left.bits).all()
    alone = FewLabelTask(Target(features.labels, parts[:1]), rows, ["2", "all"], "closed", 0, draws=2)
    costs = learn_from_few(few_label_jobs([features], "closed")[1], alone).bits
    np.testing.assert_allclose(left.bits[:, folds[2]], costs[:, folds[2]])


def test_what_has_been_learnt_is_kept_and_is_learnt_anew_where_anything_is_other(tmp_path):
    features, rows = features_of(["a", "b"] * 20, knows=3.0), np.arange(40)
    target = Target(features.labels, [Part(rows[:20], rows[20:30], rows[30:])])
    task = FewLabelTask(target, rows, ["2", "all"], "closed", 0, draws=2)
    jobs = few_label_jobs([features], "closed")
    first = list(learn_all(jobs, task, np.inf, tmp_path))
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    # One of two inputs was learnt before a kill: the other alone is learnt, and both stand in their places.
    kept[0].unlink()
    read = kept[1].stat().st_mtime_ns
    again = list(learn_all(jobs, task, np.inf, tmp_path))
    assert (sorted(tmp_path.iterdir()), kept[1].stat().st_mtime_ns) == (kept, read)
    for before, after in zip(first, again, strict=True):
        for name, value in vars(before).items():
            np.testing.assert_array_equal(getattr(after, name), value)
    others = [
        replace(task, groups=rows // 2),
        replace(task, seed=1),
        replace(task, draws=3),
        replace(task, sizes=["4"]),
    ]
    others.append(replace(task, target=replace(target, parts=[Part(rows[10:30], rows[:10], rows[30:])])))
    assert len({few_label_digest(job, each) for job in jobs for each in (task, *others)}) == 2 * 6


def test_too_few_clips_are_left_out_by_name():
    results = ls.probe(features_of(np.linspace(0.0, 1.0, 15).tolist()), probes="closed", few_labels="closed")
    assert results.few_labels is None
    assert (
        results.only("features").facts["few_labels_left_out"] == "the training clips are too few to draw fewer of them"
    )


def test_a_run_leaves_tables_and_a_section_where_it_is_asked_and_nothing_where_it_is_not(tmp_path, tones):
    given = {"data": tones, "baseline": ["mel"], "probe": ["closed"], "seeds": 1}
    run(make_plan({**given, "few_labels": "closed"}, "test"), tmp_path / "asked")
    assert "With few labels" in (tmp_path / "asked" / "report.html").read_text()
    few = FewLabels.read(tmp_path / "asked")
    assert few is not None
    assert set(few.curves.model) == {"mel"}
    run(make_plan(given, "test"), tmp_path / "plain")
    assert not any((tmp_path / "plain" / name).exists() for name in FILES)
    assert "few labels" not in (tmp_path / "plain" / "report.html").read_text().lower()
    for name in ("study.json", "provenance.json"):
        assert "few_labels" not in (tmp_path / "plain" / name).read_text()
    assert json.loads((tmp_path / "asked" / "study.json").read_text())["few_labels"] == "closed"


def test_check_tells_what_few_labels_cost(tones):
    given = {"data": tones, "baseline": ["mel"], "probe": ["closed"], "seeds": 1}
    asked, plain = (
        check(make_plan(each, "test"), workers=1).tasks[0] for each in ({**given, "few_labels": "closed"}, given)
    )
    assert plain.few_label_minutes == 0.0
    assert 0.0 < asked.few_label_minutes < 5.0
    assert asked.trainings == plain.trainings
