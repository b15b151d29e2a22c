"""One contract, one common test-suite: what every kind of target must do, and which kind cells are of."""

import contextlib
import re

import mir_eval
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from layerscope.errors import DataError, UsageError
from layerscope.targets import (
    KINDS,
    Column,
    kind_named,
    kind_of,
    labels_of,
    metric_named,
    read_labels,
    recognise,
    register,
)
from layerscope.targets.calibration import Calibration
from layerscope.targets.key_names import KEY_NAMES
from layerscope.targets.kind import Labels
from layerscope.targets.registry import BUILT_IN


def key_reference(*, both):
    def mean(targets, scores, weights):
        pairs = list(
            zip((KEY_NAMES[key] for key in targets), (KEY_NAMES[key] for key in scores.argmax(1)), strict=True)
        )
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
    return scores, Labels(KINDS[kind], KEY_NAMES if kind == "key" else tuple("abcd"[:outputs]), values), weights


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


METRICS_OF_CLIPS = [
    (kind.name, metric.name) for kind in KINDS.values() if not kind.over_time for metric in kind.metrics
]


@pytest.mark.parametrize(("kind", "metric"), METRICS_OF_CLIPS)
@given(seed=st.integers(0, 10_000))
@example(seed=854)
@settings(deadline=None, max_examples=30)
def test_weighted_scores_are_scikit_learns(kind, metric, seed):
    scores, labels, weights = random_case(kind, seed)
    expected = [REFERENCES[metric](labels.values, scores, row) for row in weights]
    np.testing.assert_allclose(labels.score(scores, metric, weights), expected, atol=1e-9)


@pytest.mark.parametrize(("kind", "metric"), METRICS_OF_CLIPS)
def test_a_resample_is_a_weighting_by_counts(kind, metric):
    scores, labels, _ = random_case(kind, 0)
    drawn = np.random.default_rng(1).integers(0, 40, 40)
    counts = np.bincount(drawn, minlength=40).astype(float)[None]
    expected = labels.take(drawn).score(scores[drawn], metric)
    np.testing.assert_allclose(labels.score(scores, metric, counts), expected, atol=1e-9)


@pytest.mark.parametrize(("kind", "metric"), METRICS_OF_CLIPS)
def test_a_perfect_prediction_scores_one(kind, metric):
    _, labels, _ = random_case(kind, 3)
    perfect = np.eye(len(labels.names))[labels.values] if labels.kind.form == "classes" else labels.values
    assert labels.score(perfect, metric)[0] == pytest.approx(1.0)


def test_arrays_and_tensors_are_read_alike():
    for array in (np.array([0, 1, 1]), torch.tensor([0, 1, 1]), [0, 1, 1]):
        assert labels_of(array).values.tolist() == [0, 1, 1]
    assert labels_of(np.eye(3)).kind.name == "tags"
    assert labels_of(np.random.default_rng(0).normal(size=(4, 2))).kind.name == "values"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([{"beat": [1.0]}], "said over time"),
        ([["a"], "a"], "some labels are lists and some are not"),
        ([[1.0], [1.0, 2.0]], "said over time"),
        ([[[0.0, 1.5, "C:maj"]], [[0.0, 2.0, "N"]]], "said over time"),
        ([0.5, float("nan")], "label 2: 'nan' is not a finite number"),
        (np.array([[0.5, np.inf]]), "not a list of finite numbers"),
    ],
)
def test_labels_of_no_one_kind_are_refused(cells, words):
    with pytest.raises(DataError, match=words):
        labels_of(cells)


def test_take_keeps_the_names():
    assert labels_of(["a", "b", "c"]).take(np.array([2])).names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([{"beat": [0.5, 1.0], "downbeat": [0.5]}], "beats"),
        ([[[0.5, 1.0], [0.5]], [[0.1], []]], "beats"),
        ([[0.5, 1.0], [0.1, 0.2, 0.3]], "beats"),
        ([[[0.0, 1.5, "C:maj"]], [[0.0, 2.0, "N"], [2.0, 3.0, "Bb:min7/b3"]]], "chords"),
        ([[{"start_time": 0.0, "end_time": 0.4, "chord_str": "N"}]], "chords"),
        ([[[0.0, 1.5, "A"], [1.5, 3.0, "B"]]], "segments"),
        ([[[0.0, 1.5, "verse"]]], "segments"),
    ],
)
def test_the_kind_of_what_is_said_over_time_is_worked_out(cells, kind):
    assert kind_of(Column("x", cells)).name == kind


#: Of each kind, cells of three clips.
CELLS = {
    "classes": ["dog", "cat", "dog"],
    "key": ["C major", "Eb:min", "F# major"],
    "tags": ["x|y", "x", "y"],
    "values": [0.5, 1.5, -1.0],
    "chords": [[[0.0, 1.0, "C:maj"], [1.0, 2.0, "A:min7"]]] * 3,
    "segments": [[[0.0, 8.0, "verse"], [8.0, 16.0, "chorus"]]] * 3,
    "beats": [{"beat": list(np.arange(0.5, 16, 0.5)), "downbeat": list(np.arange(0.5, 16, 2.0))}] * 3,
    "melody": [{"times": list(np.arange(0, 16, 0.01)), "frequencies": [0.0] * 800 + [220.0] * 400 + [261.6] * 400}] * 3,
    "notes": [[{"start": 0.5, "end": 8.0, "pitch": 60}, {"start": 4.0, "end": 15.0, "pitch": 64}]] * 3,
    "onsets": [{"onsets": list(np.arange(0.5, 16, 0.5))}] * 3,
}


def read(name):
    column = Column("key", CELLS[name], ["1.wav", "2.wav", "3.wav"], [0.0] * 3)
    assert kind_of(column).name == name
    return KINDS[name].read(column)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_recognises_and_reads_its_cells(name):
    labels = read(name)
    assert labels.kind is kind_named(name)
    assert len(labels.values) == 3
    assert len(labels.kind.strata(labels)) == 3
    assert labels.kind.words(labels.names)


@pytest.mark.parametrize("name", KINDS)
def test_the_first_metric_chooses_and_all_have_names_for_prose(name):
    labels = read(name)
    assert labels.metrics()[0] == KINDS[name].metrics[0].name
    for metric in labels.metrics():
        assert metric_named(metric).title


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name].over_time])
def test_frames_that_say_what_is_wanted_are_decoded_to_it(name):
    labels, kind, rate = read(name), KINDS[name], 25.0 / KINDS[name].divisor
    targets = kind.frame_targets(labels.values[0], labels.names, round(16 * rate), rate)
    assert len(targets) == round(16 * rate)
    scores = targets if targets.ndim == 2 else np.eye(len(labels.names))[targets] * 20
    calibration = kind.calibrate(scores, targets)
    estimate = kind.decode([scores], labels.names, rate, calibration)[0]
    scored = kind.score_track(labels.values[0], estimate, targets, scores)
    assert [value for value, weight in scored if weight] == pytest.approx(
        [1.0] * sum(w > 0 for _, w in scored), abs=0.1
    )
    table = np.array([scored] * 3)
    for number, metric in enumerate(labels.metrics()):
        np.testing.assert_allclose(labels.score(table, metric)[0], scored[number][0] if scored[number][1] else np.nan)


@pytest.mark.parametrize("name", KINDS)
def test_an_answer_becomes_rows_and_observations(name):
    labels, kind = read(name), KINDS[name]
    if kind.over_time:
        answer = kind.as_answer(labels.values[0])
    else:
        calibration = Calibration([[1.0, 0.0]] * len(labels.names), [0.5] * len(labels.names))
        answer = kind.answer(np.linspace(1, -1, len(labels.names), dtype=np.float32), labels.names, calibration)
    assert kind.rows(answer)
    namespace, observations = kind.observations(answer, 3.0)
    assert namespace
    assert all(len(observation) == 4 for observation in observations)


@pytest.mark.parametrize("name", [name for name in KINDS if not KINDS[name].over_time])
def test_a_constant_answer_scores_what_chance_says(name):
    labels, kind = read(name), KINDS[name]
    if kind.chance is None:
        assert len(kind.constant(labels)) == len(labels.names)
    elif name == "values":  # the mean of all clips
        assert labels.score(np.tile(labels.values.mean(axis=0), (3, 1)))[0] == pytest.approx(kind.chance, abs=1e-6)
    else:
        assert labels.score(np.tile(kind.constant(labels), (3, 1)))[0] == pytest.approx(kind.chance)


def test_primary_metrics_are_those_that_marble_reports_first():
    assert {name: KINDS[name].metrics[0].name for name in BUILT_IN} == {
        "classes": "accuracy", "key": "key_score", "tags": "roc_auc", "values": "r2",
        "chords": "accuracy", "segments": "accuracy", "beats": "beat_f",
        # Of these MARBLE has none; MIREX reports them first.
        "melody": "raw_pitch", "notes": "note_frame_f", "onsets": "onset_f",
    }  # fmt: skip


def test_key_is_known_by_the_name_of_its_column():
    assert kind_of(Column("mode", CELLS["key"])).name == "classes"
    assert kind_of(Column("KEY", CELLS["key"])).name == "key"


def test_several_columns_are_values_or_beats_and_downbeats():
    assert kind_of(Column("valence,arousal", [[0, 1], [1, 0]])).name == "values"
    assert kind_of(Column("beats,downbeats", [[[0.5], [0.5]], [[0.1, 0.2], []]])).name == "beats"


def test_names_that_are_unknown_or_taken_are_refused():
    with pytest.raises(UsageError, match="unknown kind 'chord'; did you mean 'chords'"):
        kind_named("chord")
    with pytest.raises(UsageError, match="unknown metric 'beat_fx'; did you mean 'beat_f'"):
        metric_named("beat_fx")
    with pytest.raises(UsageError, match="'beats' is one of layerscope's own"):
        register(KINDS["beats"])


#: Of each kind an odd cell, and the reason for which it is set aside.
ODD = {
    "classes": (["a", "b"], "is a list; a class is one name"),
    "key": ("X", "not a major or minor key"),
    "tags": ({"mood": 1}, "is not a list of tags"),
    "values": ("n/a", "is not a finite number"),
    "chords": ([[0.0, 1.0]], "is not .start, end, label."),
    "segments": ("none", "expected a list of"),
    "beats": ([0.5, "x"], "is not a time in seconds"),
    "melody": ({"times": [0.0], "frequencies": ["x"]}, "is not a frequency in Hz"),
    "notes": ([[0.0, 1.0, 440.0]], "is no MIDI number"),
    "onsets": ({"times": [0.5]}, "no 'onsets' in"),
}


@pytest.mark.parametrize("name", KINDS)
def test_one_odd_cell_is_named_and_changes_nothing(name):
    odd, words = ODD[name]
    # Keys are known by their column's name alone, which would be doubted of what is said over time.
    column = Column("key" if name == "key" else "x", [*CELLS[name], odd, *CELLS[name]], list("abcdefg"), [0.0] * 7)
    recognised = recognise(column)
    assert recognised.kind.name == name
    assert list(recognised.faults) == [3]
    assert re.search(words, recognised.faults[3])
    assert recognised.evidence.startswith(f"{name}: 6 of 7 cells; 1 set aside: ")
    with pytest.raises(DataError, match=f"d: .*{words}"):
        read_labels(column)


def test_one_cell_of_two_names_makes_no_tags():
    column = Column("genre", [*["rock", "jazz"] * 15, "rock|jazz"])
    recognised = recognise(column)
    assert recognised.evidence == "classes: 30 of 31 cells; 1 set aside: 'rock|jazz'"
    assert kind_of(Column("genre", [*["rock", "jazz"] * 2, "rock|jazz"])).name == "tags"


def test_a_number_and_its_text_are_one_class():
    assert labels_of([1, "1", 2, 1, "x"]).values.tolist() == [0, 0, 1, 0, 2]
    assert labels_of([1, "1", 10, 9, True]).names == ("1", "9", "10", "True")
    assert labels_of(["01", "1", "001"]).names == ("001", "01", "1")


WORDS = [
    "beat",
    "downbeat",
    "start",
    "end",
    "label",
    "start_time",
    "end_time",
    "chord_str",
    "pitch",
    "onsets",
    "times",
    "frequencies",
    "x",
]
NAMES = ["C major", "a|b", "X", "Am7", "0.5", "N"]
CELL = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text() | st.sampled_from(NAMES),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(st.sampled_from(WORDS), items, max_size=3),
    max_leaves=8,
)


@given(
    cells=st.lists(CELL, min_size=1, max_size=6),
    kind=st.none() | st.sampled_from(list(KINDS)),
    name=st.sampled_from(["key", "chords", "beats", "onsets", "pitch", "x"]),
)
@example(cells=[[], "A", []], kind=None, name="key")
@settings(deadline=None, max_examples=500)
def test_whatever_a_cell_holds_it_is_read_or_named(cells, kind, name):
    clips = [f"{number}.wav" for number in range(len(cells))]
    column = Column(name, cells, clips, [0.0] * len(cells), [30.0] * len(cells), [False] * len(cells))
    with contextlib.suppress(DataError):
        recognised = recognise(column, kind)
        kept = [row for row in range(len(cells)) if row not in recognised.faults]
        if kept:
            assert len(read_labels(column.take(kept), recognised.kind.name).values) == len(kept)


def test_cells_that_cannot_be_written_are_named():
    deep = []
    for _ in range(10_000):
        deep = [deep]
    for odd in (deep, 10**5000):
        recognised = recognise(Column("x", ["a", "b", "a", odd]))
        assert list(recognised.faults) == [3]
        assert "cannot be shown" in recognised.faults[3]


@pytest.mark.parametrize(("name", "cell"), [("beats", [0.5, 2.0, 1.5]), ("notes", [60.5, 1.0])])
def test_lists_of_numbers_under_the_name_of_something_over_time_are_doubted(name, cell):
    column = Column(name, [cell] * 4)
    with pytest.raises(DataError, match=f"its name tells of {name.rstrip('s')}s, its cells are values; mend the cells"):
        recognise(column)
    assert recognise(column, "values").faults == {}
    # Single numbers may count them, and several columns are no list.
    assert recognise(Column("beats", [1.5, 2.5, 3.5])).kind.name == "values"
    assert recognise(Column("beats,valence", [[1.5, 2.0], [1.5, 1.0]])).kind.name == "values"


@pytest.mark.parametrize(
    ("name", "cell", "kinds", "form"),
    [
        (
            "melody",
            [440, 441, 443],
            "tags or --kind values or --kind beats or --kind onsets",
            "melody, write [[time, Hz",
        ),
        (
            "notes",
            [0.5, 1.0],
            "tags or --kind values or --kind beats or --kind onsets",
            "notes, write [[start, end, MI",
        ),
        ("notes", [[0.0, 440.0], [0.5, 450.0]], "beats or --kind melody", "notes, write [[start, end, MIDI number"),
        ("melody", [[0.0, 0.5, 60], [0.5, 1.0, 64]], "segments or --kind beats or --kind notes", "melody, write [["),
        ("onsets", [[0.0, 0.5, "a"], [0.5, 1.0, "b"]], "segments", "onsets, write [time, …]"),
        ("f0", [440.0, 220.5, 330.0], "tags or --kind values", "melody, write [[time, Hz"),
    ],
)
def test_of_a_column_called_after_something_else_every_kind_that_reads_its_cells_is_named(name, cell, kinds, form):
    with pytest.raises(DataError, match=f"say --kind {kinds}.*for {re.escape(form)}"):
        recognise(Column(name, [cell] * 4, ["a"] * 4, [0.0] * 4))


@pytest.mark.parametrize(
    ("name", "form"),
    [("onsets", "[time, …]"), ("notes", "[[start, end, MIDI"), ("melody", "[[time, Hz]"), ("x", "names")],
)
def test_cells_of_no_kind_are_to_be_written_as_their_name_tells(name, form):
    with pytest.raises(DataError, match=f"of no one kind .* write all in one way: {re.escape(form)}"):
        recognise(Column(name, [{"when": [1, 2]}] * 4))
