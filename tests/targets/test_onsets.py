import mir_eval
import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, kind_named, kind_of
from layerscope.targets.onsets import onset_f, onsets_of


def test_of_notes_the_starts_are_onsets_and_chords_count_once():
    notes = [[1.5, 2.0, 67], [0.5, 1.0, 60], [0.5, 1.2, 64]]
    np.testing.assert_array_equal(onsets_of(notes, "x"), [0.5, 1.5])
    np.testing.assert_array_equal(onsets_of(notes, "x", shift=1.0), [0.5])


def test_a_column_is_onsets_by_its_name_or_its_records():
    times = [[0.5, 1.0, 1.2], [0.1, 0.9]]
    assert kind_of(Column("onsets", times)).name == "onsets"
    assert kind_of(Column("beats", times)).name == "beats"
    assert kind_of(Column("x", [{"onsets": cell} for cell in times])).name == "onsets"


def test_times_that_do_not_ascend_are_refused():
    with pytest.raises(DataError, match=r"a\.wav: times do not ascend"):
        onsets_of([1.0, 0.5], "a.wav")


@pytest.mark.parametrize("seed", range(5))
def test_the_f_measure_is_mir_evals(seed):
    random = np.random.default_rng(seed)
    reference, estimate = (np.sort(random.uniform(0, 10, 40)) for _ in range(2))
    assert onset_f(reference, estimate) == (mir_eval.onset.evaluate(reference, estimate)["F-measure"], 1.0)


def test_of_no_onsets_nothing_is_scored():
    assert onset_f(np.array([]), np.array([1.0])) == (0.0, 0.0)
    assert onset_f(np.array([1.0]), np.array([])) == (0.0, 1.0)


def test_frames_give_onsets_back_within_half_a_frame():
    kind = kind_named("onsets")
    times = np.cumsum(np.random.default_rng(0).uniform(0.1, 0.5, 50))
    targets = kind.frame_targets(times, ("onset",), 1000, 25.0)
    found = kind.decode([targets], ("onset",), 25.0, kind.calibrate(targets, targets))[0]
    heard = times[times < 40.0]
    assert len(found) == len(heard)
    assert np.abs(found - heard).max() <= 0.02 + 1e-9
