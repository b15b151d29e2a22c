"""The probe of few labels: what it is given, and that it looks at no label but those that were drawn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from layerscope import Features
from layerscope.probes import Input
from layerscope.probes.closed_form import RIDGES
from layerscope.probes.few_label_probe import clip_states, fit_few_labels, inner_folds
from layerscope.probes.linear import PENALTIES, solutions_of
from layerscope.targets import labels_of


def made(kind, clips=60, dim=4):
    random = np.random.default_rng(0)
    states = random.normal(size=(clips, dim)).astype(np.float32)
    signal = states[:, 0] + 0.5 * random.normal(size=clips)
    cells = {
        "classes": np.where(signal > 0, "high", "low").tolist(),
        "tags": [["x"] * int(value > 0) + ["y"] * int(value < 0.5) for value in signal],
        "values": (10 + 3 * signal).tolist(),
    }[kind]
    return states, labels_of(cells, kind)


@pytest.mark.parametrize(
    ("kind", "probe"), [("classes", "closed"), ("tags", "closed"), ("values", "closed"), ("classes", "linear")]
)
def test_labels_that_were_not_drawn_change_nothing(kind, probe):
    states, labels = made(kind)
    drawn = np.arange(20)
    fit = fit_few_labels(states, labels, drawn, np.arange(60), probe)
    other = labels.take(np.concatenate([drawn, np.arange(20, 60)[::-1]]))
    again = fit_few_labels(states, other, drawn, np.arange(60), probe)
    np.testing.assert_array_equal(fit.scores, again.scores)
    assert fit.slope == again.slope
    # And what is drawn is used: the clips that were not are told well.
    assert labels.take(np.arange(20, 60)).score(fit.scores[20:])[0] > 0.5


def test_the_penalty_is_the_one_that_scikit_learn_would_choose_on_the_same_parts():
    states, labels = made("values")
    drawn, wanted = np.arange(30), labels.values[:30, 0].astype(float)
    folds = inner_folds(labels, np.arange(60), drawn)

    def error(penalty):
        # Ridge counts the sum of squared errors, the closed form their mean.
        left = []
        for fold in range(5):
            train = folds != fold
            ridge = Ridge(alpha=penalty * train.sum()).fit(states[drawn][train], wanted[train])
            left += list(ridge.predict(states[drawn][~train]) - wanted[~train])
        return np.square(left).mean()

    best = min(RIDGES, key=error)
    expected = Ridge(alpha=best * 30).fit(states[drawn], wanted).predict(states)
    fit = fit_few_labels(states, labels, drawn, np.arange(60), "closed")
    np.testing.assert_allclose(fit.scores[:, 0], expected, rtol=1e-4)


def test_the_linear_probe_is_logistic_regression_at_one_of_its_penalties():
    states, labels = made("classes")
    drawn = np.arange(30)
    fit = fit_few_labels(states, labels, drawn, np.arange(60), "linear")
    margin = fit.scores[:, 1] - fit.scores[:, 0]
    nearest = [
        np.abs(margin - LogisticRegression(C=1 / (penalty * 30), tol=1e-10, max_iter=10_000)
               .fit(states[drawn], labels.values[drawn]).decision_function(states)).max()
        for penalty in (10.0 / 2, 1.0 / 2, 0.1 / 2, 0.01 / 2, 1e-3 / 2, 1e-4 / 2)  # two columns share the penalty
    ]  # fmt: skip
    assert min(nearest) < 1e-3 * np.abs(margin).max()


def test_parts_hold_whole_groups_and_leave_what_is_alone_to_train():
    labels = labels_of(["a"] * 8 + ["b"] * 8 + ["c"] * 2)
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8])
    folds = inner_folds(labels, groups, np.arange(18))
    assert all(len(set(folds[groups == group])) == 1 for group in range(9))
    assert set(folds[:16]) == {0, 1, 2, 3}
    assert set(folds[16:]) == {-1}
    for fold in range(4):
        assert set(labels.values[folds != fold]) == {0, 1, 2}


def test_of_one_label_a_class_none_can_be_held_out():
    states, labels = made("classes")
    drawn = np.array([int(np.flatnonzero(labels.values == value)[0]) for value in (0, 1)])
    fit = fit_few_labels(states, labels, drawn, np.arange(60), "closed")
    assert fit.slope is None
    # The nearest of two clips, then.
    distances = np.linalg.norm(states[:, None] - states[drawn][None], axis=2)
    np.testing.assert_array_equal(fit.scores.argmax(axis=1), distances.argmin(axis=1))


def test_clips_are_given_as_the_mean_of_their_windows_in_units_of_the_training_clips():
    random = np.random.default_rng(1)
    features = Features.from_arrays(random.normal(3.0, 2.0, size=(6, 2, 4)), ["a", "b"] * 3)
    states, train = features.read(1)[:], np.array([0, 1, 2, 3])
    mean, deviation = states[train].mean(axis=0), states[train].std(axis=0)
    found = clip_states(features, Input("layer", 1), train)
    np.testing.assert_allclose(found, (states - mean) / deviation, rtol=1e-4, atol=1e-5)


def test_of_the_convex_probe_the_last_digits_are_sought_of_what_is_kept_alone(monkeypatch):
    asked = []

    def counted(*given, roughly=False):
        asked.append((len(given[0].inputs), given[1], roughly))
        return solutions_of(*given, roughly=roughly)

    monkeypatch.setattr("layerscope.probes.few_label_probe.solutions_of", counted)
    states, labels = made("classes")
    fit = fit_few_labels(states, labels, np.arange(20), np.arange(60), "linear")
    *inner, (trained, penalties, roughly) = asked
    assert all(each[1:] == (PENALTIES, True) for each in inner)
    assert len(inner) == 5
    assert (trained, roughly) == (20, False)
    assert penalties == PENALTIES[: len(penalties)]
    assert fit.slope is not None
    # One label a class: nothing is compared.
    asked.clear()
    fit_few_labels(states, labels, np.unique(labels.values, return_index=True)[1], np.arange(60), "linear")
    assert asked == [(2, PENALTIES, False)]


@pytest.mark.parametrize("sizes", [(1, 1, 1, 8), (2, 1, 1, 1)])
def test_where_no_label_can_tell_the_penalty_classes_of_fewer_clips_are_answered_too(sizes):
    random = np.random.default_rng(0)
    drawn_classes, classes = np.repeat(np.arange(4), sizes), np.arange(200) % 4
    states = (6 * np.eye(4)[np.r_[drawn_classes, classes]] + random.normal(size=(len(drawn_classes) + 200, 4))) / 3
    labels = labels_of([str(value) for value in (*drawn_classes, *classes)])
    fit = fit_few_labels(
        (states - states.mean(axis=0)).astype(np.float32), labels, np.arange(len(drawn_classes)),
        np.arange(len(states)), "linear",
    )  # fmt: skip
    # Of labels that are told of one class alone nobody can say how sure the scores are.
    assert fit.slope is None
    assert (fit.scores.argmax(axis=1) == labels.values).mean() > 0.8
