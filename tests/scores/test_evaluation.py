import numpy as np
import pytest
from problems import CLIPS
from sklearn.metrics import average_precision_score, roc_auc_score

from layerscope.data.splits import Part, assign, parts_of
from layerscope.probes.fitting import Target, plan_jobs
from layerscope.probes.jobs_side_by_side import run_jobs
from layerscope.scores.count_interval import count_interval
from layerscope.scores.evaluation import Outcome, evaluations, score_outcome
from layerscope.scores.tabulate import summary_row
from layerscope.targets import kind_named, labels_of
from layerscope.targets.chords import CHORD_NAMES
from layerscope.targets.kind import Labels


def test_folds_are_put_together_and_scored_once(features):
    parts = parts_of(assign(features.clips, features.labels, 0, folds=5))
    jobs = plan_jobs([features], ["closed"])
    outcomes = run_jobs(jobs, Target(features.labels, parts), [0], workers=1)
    splits = evaluations(features.labels, parts, np.arange(CLIPS), 0)
    assert splits["test"].rows.tolist() == list(range(CLIPS))
    scored = [score_outcome({}, outcome, splits, [0])[0] for outcome in outcomes]
    by_layer = [next(row["value"] for row in entry.rows if row["split"] == "test") for entry in scored[:3]]
    assert np.argmax(by_layer) == 1
    assert by_layer[1] > 0.6
    hits = outcomes[1].test[0].argmax(axis=1) == features.labels.values
    assert by_layer[1] == pytest.approx(hits.mean())


def test_every_seed_has_a_row_and_the_interval_holds_the_value(features, parts):
    job = plan_jobs([features], ["mlp"])[1]
    outcome = run_jobs([job], Target(features.labels, parts), [0, 1, 2], workers=1)[0]
    splits = evaluations(features.labels, parts, np.arange(CLIPS), 0)
    accuracy, macro_f1 = score_outcome({"probe": "mlp"}, outcome, splits, [0, 1, 2])
    assert (accuracy.label, macro_f1.label) == (
        {"probe": "mlp", "metric": "accuracy"}, {"probe": "mlp", "metric": "macro_f1"},
    )  # fmt: skip
    assert [(row["seed"], row["split"]) for row in accuracy.rows] == [
        (seed, split) for split in ("valid", "test") for seed in (0, 1, 2)
    ]
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in accuracy.rows if row["split"] == "test")
    assert accuracy.draws.shape == (1000,)


def test_resamples_are_shared_by_all_inputs(features, parts):
    part = parts[0]
    splits = evaluations(features.labels, [Part(part.train, part.valid, part.test)], np.arange(CLIPS), 7)
    again = evaluations(features.labels, parts, np.arange(CLIPS), 7)
    np.testing.assert_array_equal(splits["test"].weights, again["test"].weights)


def noise_over_folds(folds=4, clips=40):
    """Return tags, folds and scores of noise whose scale differs between folds."""
    random, rows = np.random.default_rng(0), np.arange(clips)
    labels = labels_of(["yes|" if mark else "|" for mark in random.permutation(rows % 2)])
    parts = [Part(rows[rows % folds != fold], rows[rows % folds == fold], rows[rows % folds == fold])
             for fold in range(folds)]  # fmt: skip
    scores = random.normal(size=(clips, 1)) + 10.0 * (rows % folds)[:, None]
    return labels, parts, scores


@pytest.mark.parametrize(
    ("metric", "measure"), [("roc_auc", roc_auc_score), ("average_precision", average_precision_score)]
)
def test_ranking_metrics_are_means_of_folds_on_validation_and_test(metric, measure):
    labels, parts, scores = noise_over_folds()
    splits = evaluations(labels, parts, np.arange(len(scores)), 0)
    truth = labels.values[:, 0]
    wanted = np.mean([measure(truth[part.test], scores[part.test, 0]) for part in parts])
    for split in splits.values():
        assert split.score(metric, scores)[0] == pytest.approx(wanted)
    assert measure(truth, scores[:, 0]) != pytest.approx(wanted, abs=0.01)


def test_ranking_metrics_are_means_of_folds_in_each_resample():
    labels, parts, scores = noise_over_folds()
    test = evaluations(labels, parts, np.arange(len(scores)), 0)["test"]
    draws = test.score("roc_auc", scores, test.weights)
    truth, weights = labels.values[:, 0], test.weights[7]
    folds = [
        roc_auc_score(truth[rows], scores[rows, 0], sample_weight=weights[rows]) for rows in (p.test for p in parts)
    ]
    assert draws[7] == pytest.approx(np.mean(folds), abs=1e-6)


def test_accuracy_over_folds_is_that_of_all_clips(features):
    scores = np.random.default_rng(0).normal(size=(CLIPS, 3))
    rows = np.arange(CLIPS)
    parts = [Part(rows[rows % 7 != fold], rows[rows % 7 != fold], rows[rows % 7 == fold]) for fold in range(7)]
    test = evaluations(features.labels, parts, rows, 0)["test"]
    assert test.score("accuracy", scores)[0] == (scores.argmax(axis=1) == features.labels.values).mean()


def scored(right, groups, classes=2):
    """Return the entries of clips of which the given ones are answered rightly."""
    truth = np.arange(len(right)) % classes
    said = np.eye(classes)[np.where(right, truth, (truth + 1) % classes)].astype(np.float32)[None]
    rows = np.arange(len(right))
    splits = evaluations(labels_of([f"c{name}" for name in truth]), [Part(rows, rows, rows)], groups, 0)
    return score_outcome({"input": "layer"}, Outcome(said, said, [{}], []), splits, [0])


def test_of_nine_groups_there_is_no_interval_and_of_ten_there_is():
    for count, known in ((9, False), (10, True)):
        accuracy = scored(np.arange(4 * count) % 3 > 0, np.arange(count).repeat(4))[0]
        assert np.isfinite(accuracy.draws).all() == known
        assert np.isfinite(accuracy.rows[1]["ci_low"]) == known


def test_macro_f1_needs_eight_clips_a_class():
    accuracy, macro_f1 = scored(np.arange(20) % 3 > 0, np.arange(20), classes=4)
    assert np.isfinite(accuracy.draws).all()
    assert np.isnan(macro_f1.draws).all()


@pytest.mark.parametrize(("rare", "known"), [(4, False), (6, True)])
def test_macro_f1_has_no_interval_where_a_class_is_rare(rare, known):
    truth = (np.arange(40) < rare).astype(int)  # 4 and 36 clips count as 7.2 each, 6 and 34 as 10.2
    said = np.eye(2)[truth].astype(np.float32)[None]
    labels, rows = labels_of([f"c{name}" for name in truth]), np.arange(40)
    splits = evaluations(labels, [Part(rows, rows, rows)], rows, 0)
    _, macro_f1 = score_outcome({"input": "layer"}, Outcome(said, said, [{}], []), splits, [0])
    assert np.isfinite(macro_f1.draws).all() == known


def test_r2_has_no_interval_where_few_clips_hold_most_of_the_variance():
    random, rows = np.random.default_rng(0), np.arange(200)
    mood = random.normal(size=200)
    plays = np.exp(1.5 * random.normal(size=200))

    def are_known(*columns):
        truth = np.stack(columns, axis=1)
        labels = labels_of(truth.tolist())
        splits = evaluations(labels, [Part(rows, rows, rows)], rows, 0)
        said = (truth + random.normal(size=truth.shape)).astype(np.float32)[None]
        entries = score_outcome({"input": "layer"}, Outcome(said, said, [{}], []), splits, [0])
        return {entry.label["metric"]: bool(np.isfinite(entry.draws).all()) for entry in entries}

    assert are_known(mood) == are_known(np.log(plays)) == {"r2": True}
    assert are_known(plays) == {"r2": False}
    assert are_known(mood, plays) == {"r2": False, "r2:0": True, "r2:1": False}


def test_ranks_of_a_rare_tag_are_as_uncertain_as_those_of_few_clips():
    def width(clips, *positives):
        """Of the interval of tags of so many clips, which all rank above the others."""
        has, rows = np.arange(clips)[:, None] < positives, np.arange(clips)
        labels = labels_of([[f"t{tag}" for tag in np.flatnonzero(each)] for each in has])
        splits = evaluations(labels, [Part(rows, rows, rows)], rows, 0)
        said = has.astype(np.float32)[None]
        entry = score_outcome({"input": "layer"}, Outcome(said, said, [{}], []), splits, [0])[0]
        return np.ptp(np.quantile(entry.draws, [0.025, 0.975]))

    # Four among 100 rank as eight among 15 do, and not as half of 100.
    assert width(100, 4) == pytest.approx(width(15, 8), rel=0.1)
    assert width(100, 50) < 0.3 * width(100, 4)
    # A mean over tags varies as the rarest says: 2 · 4 / (1/50 + 1/50 + 1/3 + 1/97) clips.
    assert width(100, 50, 3) == pytest.approx(width(21, 11), rel=0.1)
    assert np.isnan(width(100, 50, 1))


def known_of_tracks(weights, groups):
    """Return by metric whether tracks that count so much, (track, metric), have an interval, and its draws."""
    values = np.random.default_rng(0).uniform(0.5, 0.9, size=weights.shape)
    left, rows = np.stack([values, weights], axis=2).astype(np.float32)[None], np.arange(len(weights))
    kind = kind_named("chords" if weights.shape[1] == 3 else "beats")
    splits = evaluations(Labels(kind, CHORD_NAMES, np.empty(len(rows), object)), [Part(rows, rows, rows)], groups, 0)
    entries = score_outcome({"input": "layer"}, Outcome(left, left, [], []), splits, [0])
    return {entry.label["metric"]: bool(np.isfinite(entry.draws).all()) for entry in entries}, entries[0].draws


def test_tracks_count_by_their_length_and_by_what_they_have():
    alone = np.arange(30)
    even = np.full((30, 3), 3000.0)
    assert set(known_of_tracks(even, alone)[0].values()) == {True}
    # Two of ten minutes hold half of the time: as few as seven tracks of one length.
    long = np.where(alone < 2, 600.0, 43.0)[:, None].repeat(3, axis=1)
    assert set(known_of_tracks(long, alone)[0].values()) == {False}
    # Long tracks of one group are one long group.
    assert set(known_of_tracks(np.where(alone < 15, 9.0, 3.0)[:, None].repeat(3, axis=1), alone)[0].values()) == {True}
    assert set(known_of_tracks(even, np.where(alone < 15, 0, alone))[0].values()) == {False}
    # Downbeats are annotated in nine tracks.
    beats = np.stack([np.ones(30), alone < 9, np.ones(30), alone < 9], axis=1)
    known = known_of_tracks(beats, alone)[0]
    assert known == {"beat_f": True, "downbeat_f": False, "beat_f_20ms": True, "downbeat_f_20ms": False}


def test_the_scores_of_tracks_that_differ_in_length_vary_as_those_of_fewer():
    alone = np.arange(40)
    spread = [
        known_of_tracks(np.where(alone < 10, times, 1.0)[:, None].repeat(3, axis=1), alone)[1].std()
        for times in (1.0, 9.0)
    ]
    assert spread[1] > 1.2 * spread[0]


def test_a_tag_or_class_that_groups_share_is_as_rare_as_its_groups():
    groups = np.arange(40).repeat(4)

    def draws(has):
        labels, rows = labels_of([["t"] if each else [] for each in has]), np.arange(160)
        splits = evaluations(labels, [Part(rows, rows, rows)], groups, 0)
        said = (has + np.random.default_rng(0).normal(size=160)).astype(np.float32)[None, :, None]
        return score_outcome({"input": "layer"}, Outcome(said, said, [{}], []), splits, [0])[0].draws

    # Twelve clips: of twelve groups, of three, and of two.
    assert draws(groups < 3).std() > 1.3 * draws((np.arange(160) % 4 == 0) & (groups < 12)).std()
    assert np.isnan(draws(groups < 2)).all()
    # Twenty artists, two to each of ten classes of eight clips.
    accuracy, macro_f1 = scored(np.arange(160) % 3 > 0, np.arange(160) % 20, classes=10)
    assert np.isfinite(accuracy.draws).all()
    assert np.isnan(macro_f1.draws).all()
    assert np.isfinite(scored(np.arange(160) % 3 > 0, np.arange(160) % 30, classes=10)[1].draws).all()


@pytest.mark.parametrize("wrong", [0, 1, 8, 15, 16])
def test_the_interval_holds_the_value_at_either_end(wrong):
    for entry in scored(np.arange(16) >= wrong, np.arange(16)):
        test = entry.rows[1]
        assert test["ci_low"] <= test["value"] <= test["ci_high"]
        assert test["ci_high"] - test["ci_low"] > 0.1


def test_single_clips_that_are_right_or_wrong_have_the_interval_of_their_count():
    accuracy, macro_f1 = scored(np.arange(20) >= 2, np.arange(20))
    assert (accuracy.rows[1]["ci_low"], accuracy.rows[1]["ci_high"]) == count_interval(18, 20)
    assert (summary_row(accuracy)["ci_low"], summary_row(accuracy)["ci_high"]) == count_interval(18, 20)
    assert macro_f1.rows[1]["ci_low"] != pytest.approx(count_interval(18, 20)[0], abs=1e-4)


def test_clips_in_groups_are_no_count():
    accuracy = scored(np.arange(40) >= 20, np.arange(20).repeat(2))[0]
    low, high = count_interval(20, 40)
    assert accuracy.rows[1]["ci_high"] - accuracy.rows[1]["ci_low"] > 1.1 * (high - low)
