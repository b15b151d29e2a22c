from types import SimpleNamespace

import numpy as np
import pytest
from mir_eval.key import weighted_score
from sklearn.metrics import f1_score

import layerscope
from layerscope.data.splits import Part
from layerscope.features.clip_features import Features
from layerscope.probes.fitting import Target
from layerscope.scores.evaluation import Outcome, evaluations
from layerscope.study import task_facts
from layerscope.study.task_facts import chance_level, precision_of, shifted_shares
from layerscope.targets import kind_named, labels_of
from layerscope.targets.cells import Column
from layerscope.targets.chords import CHORD_NAMES
from layerscope.targets.key_names import KEY_NAMES
from layerscope.targets.kind import Labels


def chance(labels, train, test, units=None):
    """Chance of a target of which the first clips train and the next ones are tested."""
    rows = np.arange(train + test)
    parts = [Part(rows[:train], rows[:0], rows[train:])]
    splits = evaluations(labels, parts, rows, 0, units)
    return chance_level(labels, Target(labels, parts), splits["test"])


@pytest.mark.parametrize(("train", "test", "expected"), [
    ("aaab", "abbbb", 0.8),  # "b" is the commonest of the tested clips alone
    ("aaab", "aaabb", 0.6),
])  # fmt: skip
def test_chance_is_the_best_constant_of_training_or_of_the_tested_clips(train, test, expected):
    assert chance(labels_of(list(train + test)), len(train), len(test)) == pytest.approx(expected)


def test_chance_of_macro_f1_is_that_of_the_commonest_tested_class():
    truth = list("abbbb")
    labels = labels_of(list("aaab") + truth).by("macro_f1")
    expected = f1_score(truth, ["b"] * 5, average="macro", zero_division=0)
    assert chance(labels, 4, 5) == pytest.approx(expected)


def test_chance_of_songs_counts_songs_and_not_their_clips():
    # Tested are four clips of one song in "a", and three songs of a clip each in "b".
    labels = labels_of(list("aaab" + "aaaa" + "bbb"))
    assert chance(labels, 4, 7, np.array([0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 7])) == pytest.approx(0.75)


def test_chance_of_keys_is_that_of_the_best_key_which_need_not_be_the_commonest():
    # G major is a fifth above C and the relative of E minor; nothing is near F sharp, the commonest.
    keys = ["Gb major"] * 3 + ["C major"] * 2 + ["G major"] * 2 + ["E minor"]
    means = {guess: np.mean([weighted_score(key, guess) for key in keys]) for guess in KEY_NAMES}
    assert max(means, key=means.__getitem__) == "G major"
    assert chance(kind_named("key").read(Column("key", keys * 2)), 8, 8) == pytest.approx(means["G major"])


@pytest.mark.parametrize(("clips", "said"), [(3, True), (0, False)])
def test_inputs_of_which_few_clips_are_far_off_are_named(clips, said):
    random = np.random.default_rng(0)
    values = random.normal(size=100)
    states = values[:, None, None] + 0.3 * random.normal(size=(100, 1, 2))
    states[50 : 50 + clips] *= 20
    splits = ["train"] * 30 + ["valid"] * 20 + ["test"] * 50
    results = layerscope.probe(Features.from_arrays(states, values, splits=splits, model="mine"), probes=["closed"])
    named = results.facts["tasks"]["features"]["far_off"]
    assert ("mine (layer 0), closed" in named) == said


def test_no_intervals_are_promised_of_groups_of_which_one_holds_most_clips():
    groups, labels = np.repeat(np.arange(15), [120] + [2] * 14), labels_of(["a", "b"] * 74)
    test = evaluations(labels, [Part(groups[:0], groups[:0], np.arange(148))], groups, 0)["test"]
    expected = "15 groups of test clips, which differ in size and count as 2: no intervals of fewer than 10"
    assert (test.weights, precision_of(test)) == (None, expected)


@pytest.mark.parametrize(("clips", "said"), [(100, 0), (50, 50), (9, 0)])
def test_of_few_values_it_is_said_that_no_tail_is_seen(clips, said):
    random = np.random.default_rng(0)
    values = random.normal(size=40 + clips)
    splits = ["train"] * 20 + ["valid"] * 20 + ["test"] * clips
    features = Features.from_arrays(random.normal(size=(40 + clips, 1, 2)), values, splits=splits)
    facts = layerscope.probe(features, probes=["closed"]).facts["tasks"]["features"]
    assert facts["tail_unseen"] == said  # of nine there is no interval to doubt


def test_groups_that_are_too_few_by_their_clips_are_no_more_by_their_seconds():
    # A group of sixty short tracks, as long as each of eleven others: resamples weigh clips, and there are none.
    groups = np.repeat(np.arange(12), [60] + [1] * 11)
    rows, seconds = np.arange(71), np.where(groups == 0, 1.0, 60.0)
    labels = Labels(kind_named("chords"), CHORD_NAMES, np.empty(71, object))
    test = evaluations(labels, [Part(rows, rows, rows)], groups, 0)["test"]
    assert (test.weights, test.groups_counted(seconds)) == (None, 1)
    assert precision_of(test, seconds).endswith("which differ in size and count as 1: no intervals of fewer than 10")


@pytest.mark.parametrize(("longest", "count"), [(1.0, 20), (20.0, 4)])
def test_tracks_are_counted_by_how_much_they_count(monkeypatch, longest, count):
    monkeypatch.setattr(task_facts, "chance_level", lambda *_: 0.5)  # which decodes frames that are not here
    rows = np.arange(20)
    labels, parts = Labels(kind_named("chords"), CHORD_NAMES, np.empty(20, object)), [Part(rows, rows, rows)]
    left = np.where(rows < 2, longest, 1.0)[None, :, None, None].repeat(3, axis=2).repeat(2, axis=3)
    trained = [(None, Outcome(left, left, [], []))]
    study = SimpleNamespace(labels=labels, target=Target(labels, parts), splits=evaluations(labels, parts, rows, 0))
    facts = task_facts.training_facts(study, trained)
    assert facts["effective_groups"] == count  # of two of twenty minutes, 58² / 818 = 4.1


@pytest.mark.parametrize("seed", [6, 12, 18])
def test_noise_is_not_recommended_where_test_recordings_and_classes_are_others(seed):
    random = np.random.default_rng(seed)
    # Two classes evenly in training, one to nine in the test, and recordings that differ by an offset alone.
    learnt, tested = np.repeat([0, 1], [61, 59]), np.repeat([0, 1], [10, 90])
    classes = np.concatenate([random.permutation(learnt), random.permutation(tested)])
    states = random.normal(size=(220, 3, 8))
    states[120:] += 4 * random.normal(size=(1, 3, 8))
    splits = ["train"] * 90 + ["valid"] * 30 + ["test"] * 100
    features = Features.from_arrays(states, np.where(classes, "b", "a"), splits=splits)
    answer = layerscope.probe(features, probes=["closed"]).answer()
    assert (answer.verdict, answer.chance) == ("nothing", pytest.approx(0.9))


def shares_of(labels, train):
    rows = np.arange(len(labels.values))
    return shifted_shares(labels, [Part(rows[:train], rows[:0], rows[train:])])


def test_classes_that_are_commoner_among_tested_clips_are_named():
    labels = labels_of(["a"] * 90 + ["b"] * 10 + ["a"] * 20 + ["b"] * 20)
    assert shares_of(labels, 100) == {"a": [0.9, 0.5], "b": [0.1, 0.5]}


def test_tags_are_asked_about_one_by_one():
    labels = labels_of([["x"]] * 50 + [["x", "y"]] * 10 + [["x", "y"]] * 30 + [["x"]] * 10)
    assert list(shares_of(labels, 60)) == ["y"]


@pytest.mark.parametrize("labels", [
    labels_of(["a"] * 6 + ["b"] * 2 + ["a"] * 2 + ["b"] * 2),  # as few clips differ as much by chance
    labels_of(["a"] * 500 + ["b"] * 500 + ["a"] * 540 + ["b"] * 460),  # shown, and too little to matter
    labels_of([[0.1 * row] for row in range(100)]),
])  # fmt: skip
def test_of_shares_that_chance_or_little_explains_nothing_is_said(labels):
    assert shares_of(labels, 8 if len(labels.values) == 12 else len(labels.values) // 2) == {}


def test_over_folds_every_clip_trains_and_tests():
    rows = np.arange(60)
    parts = [Part(rows[:30], rows[:0], rows[30:]), Part(rows[30:], rows[:0], rows[:30])]
    assert shifted_shares(labels_of(["a"] * 30 + ["b"] * 30), parts) == {}
