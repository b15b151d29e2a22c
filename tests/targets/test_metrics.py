import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from layerscope.targets.labels import KEYS, Labels
from layerscope.targets.metrics import METRICS, PRIMARY, absent_tags, metric_names, score
from layerscope.targets.track_metrics import TRACK_METRICS, track_metric_names


def key_reference(*, both):
    def mean(targets, scores, weights):
        pairs = list(zip((KEYS[key] for key in targets), (KEYS[key] for key in scores.argmax(1)), strict=True))
        each = [mir_eval.key.weighted_score(right, guess) for right, guess in pairs]
        if both:  # MIREX since 2017: a fifth below counts as one above
            below = [mir_eval.key.weighted_score(guess, right) == 0.5 for right, guess in pairs]
            each = [max(one, 0.5 * fifth) for one, fifth in zip(each, below, strict=True)]
        return np.average(each, weights=weights)

    return mean


def random_case(kind, seed, clips=40, outputs=4):
    outputs = 24 if kind == "key" else outputs
    random = np.random.default_rng(seed)
    # Rounded, so that there are ties.
    scores = random.normal(size=(clips, outputs)).round(1)
    weights = random.integers(0, 4, size=(3, clips)).astype(float)
    if kind in ("classes", "key"):
        values = random.integers(0, outputs, clips)
    elif kind == "tags":
        values = (random.random((clips, outputs)) < 0.4).astype(np.float32)
    else:
        values = (scores + random.normal(size=(clips, outputs))).astype(np.float32)
    return scores, Labels(kind, KEYS if kind == "key" else tuple("abcd"[:outputs]), values), weights


def per_tag(function):
    def each(targets, scores, weights):
        return np.mean([function(targets[:, tag], scores[:, tag], sample_weight=weights) for tag in range(4)])

    return each


REFERENCES = {
    "accuracy": lambda targets, scores, weights: sklearn_metrics.accuracy_score(
        targets, scores.argmax(1), sample_weight=weights
    ),
    "macro_f1": lambda targets, scores, weights: sklearn_metrics.f1_score(
        targets, scores.argmax(1), average="macro", sample_weight=weights
    ),
    "roc_auc": per_tag(sklearn_metrics.roc_auc_score),
    "average_precision": per_tag(sklearn_metrics.average_precision_score),
    "key_score": key_reference(both=False),
    "key_score_mirex": key_reference(both=True),
    "r2": lambda targets, scores, weights: sklearn_metrics.r2_score(targets, scores, sample_weight=weights),
}


@pytest.mark.parametrize(("kind", "metric"), [(kind, metric) for kind in METRICS for metric in METRICS[kind]])
@given(seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_weighted_scores_are_scikit_learns(kind, metric, seed):
    scores, labels, weights = random_case(kind, seed)
    expected = [REFERENCES[metric](labels.values, scores, row) for row in weights]
    np.testing.assert_allclose(score(metric, scores, labels, weights), expected, atol=1e-9)


@pytest.mark.parametrize(("kind", "metric"), [(kind, metric) for kind in METRICS for metric in METRICS[kind]])
def test_a_resample_is_a_weighting_by_counts(kind, metric):
    scores, labels, _ = random_case(kind, 0)
    drawn = np.random.default_rng(1).integers(0, 40, 40)
    counts = np.bincount(drawn, minlength=40).astype(float)[None]
    expected = score(metric, scores[drawn], labels.take(drawn))
    np.testing.assert_allclose(score(metric, scores, labels, counts), expected, atol=1e-9)


@pytest.mark.parametrize(("kind", "metric"), [(kind, metric) for kind in METRICS for metric in METRICS[kind]])
def test_a_perfect_prediction_scores_one(kind, metric):
    _, labels, _ = random_case(kind, 3)
    perfect = np.eye(len(labels.names))[labels.values] if labels.form == "classes" else labels.values
    assert score(metric, perfect, labels)[0] == pytest.approx(1.0)


def test_tags_without_both_answers_are_named_and_left_out():
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.6]])
    labels = Labels("tags", ("yes", "never", "always"), np.array([[1, 0, 1], [0, 0, 1]], np.float32))
    assert absent_tags(labels) == ["never", "always"]
    assert score("roc_auc", scores, labels)[0] == 1.0
    assert score("average_precision", scores, labels)[0] == 1.0


def test_what_is_undefined_is_nan_not_zero():
    constant = Labels("values", ("v",), np.ones((3, 1), np.float32))
    assert np.isnan(score("r2", np.zeros((3, 1)), constant)[0])
    empty = Labels("tags", ("t",), np.zeros((3, 1), np.float32))
    assert np.isnan(score("roc_auc", np.zeros((3, 1)), empty)[0])


def test_r2_of_a_far_mean_keeps_its_digits():
    random = np.random.default_rng(0)
    targets = (1e4 + random.normal(size=(200, 1))).astype(np.float32)
    predictions = targets + 0.5
    expected = sklearn_metrics.r2_score(targets.astype(float), predictions.astype(float))
    assert score("r2", predictions, Labels("values", ("v",), targets))[0] == pytest.approx(expected, abs=1e-6)


def test_dimensions_have_their_own_r2():
    scores, labels, weights = random_case("values", 5)
    assert metric_names(labels) == ["r2", "r2:a", "r2:b", "r2:c", "r2:d"]
    each = [score(f"r2:{name}", scores, labels, weights) for name in "abcd"]
    np.testing.assert_allclose(np.mean(each, axis=0), score("r2", scores, labels, weights))


def test_primary_metrics_come_first():
    assert all(next(iter(METRICS[kind])) == PRIMARY[kind] for kind in METRICS)
    assert all(track_metric_names(kind)[0] == PRIMARY[kind] for kind in TRACK_METRICS)


def test_key_scores_of_the_known_relations():
    wanted = {"C major": 1.0, "G major": 0.5, "F major": 0.0, "A minor": 0.3, "C minor": 0.2, "D major": 0.0}
    for guess, expected in wanted.items():
        labels = Labels("key", KEYS, np.array([KEYS.index("C major")]))
        scores = np.eye(24)[[KEYS.index(guess)]]
        assert score("key_score", scores, labels)[0] == expected
        both = 0.5 if guess == "F major" else expected
        assert score("key_score_mirex", scores, labels)[0] == both
