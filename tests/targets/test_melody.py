import mir_eval
import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, kind_named, kind_of, recognise
from layerscope.targets.calibration import Calibration
from layerscope.targets.melody import PitchTrack, melody_of

RATE = 25.0


def glide(seed, step=0.01, seconds=10.0):
    """A melody that wanders over an octave, with rests."""
    random = np.random.default_rng(seed)
    times = np.arange(0, seconds, step)
    semitones = 57 + 6 * np.sin(2 * np.pi * times / 3 + random.uniform(0, 6))
    return PitchTrack(times, np.where(np.sin(2 * np.pi * times / 2.2) > -0.6, 440 * 2 ** ((semitones - 69) / 12), 0.0))


def perfect_scores(kind, track, names, frames):
    targets = kind.frame_targets(track, names, frames, RATE)
    assert (targets >= 0).all()
    return np.eye(len(names))[targets] * 20


def test_frames_that_are_right_score_nearly_all():
    kind, track = kind_named("melody"), glide(0)
    names = kind.names_of([track])
    estimate = kind.decode([perfect_scores(kind, track, names, 250)], names, RATE, Calibration([[1.0, 0.0]]))[0]
    # What is lost lies at the borders of semitones and of rests, within the 20 ms to the middle of a frame.
    assert all(value > 0.9 for value, _ in kind.score_track(track, estimate, np.empty(0), np.empty(0)))


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_mir_evals(seed):
    kind, reference = kind_named("melody"), glide(seed)
    random = np.random.default_rng(seed)
    other = glide(seed + 10, step=0.04)
    estimate = PitchTrack(other.times, other.frequencies * random.choice([1.0, -1.0, 2.0], len(other.times)))
    expected = mir_eval.melody.evaluate(reference.times, reference.frequencies, estimate.times, estimate.frequencies)
    scored = [value for value, _ in kind.score_track(reference, estimate, np.empty(0), np.empty(0))]
    wanted = ["Raw Pitch Accuracy", "Raw Chroma Accuracy", "Overall Accuracy"]
    assert scored == pytest.approx([expected[name] for name in wanted])


def test_neighbours_say_where_between_semitones_the_pitch_lies():
    kind, names = kind_named("melody"), ("unvoiced", "A3", "Bb3", "B3")
    shares = np.log(np.array([[0.02, 0.49, 0.47, 0.02], [0.9, 0.02, 0.06, 0.02]]))
    found = kind.decode([shares], names, RATE, Calibration([[1.0, 0.0]]))[0]
    cents = 1200 * np.log2(found.frequencies[0] / 220.0)
    assert 45 < cents < 55
    assert found.frequencies[1] < 0  # silent, and what would sound is said all the same
    assert kind.as_answer(found)["frequencies"][1] == 0.0


def test_a_track_without_voice_has_no_pitch_to_be_right_about():
    kind = kind_named("melody")
    silence = PitchTrack(np.arange(0, 2, 0.01), np.zeros(200))
    estimate = PitchTrack((np.arange(50) + 0.5) / RATE, np.full(50, -220.0))
    (_, pitch_weight), (_, chroma_weight), (overall, weight) = kind.score_track(
        silence, estimate, np.empty(0), np.empty(0)
    )
    assert (pitch_weight, chroma_weight, weight) == (0.0, 0.0, 1.0)
    assert overall == pytest.approx(1.0)


def test_frames_that_nobody_annotated_are_not_asked_about():
    kind = kind_named("melody")
    track = melody_of([[1.0, 220.0], [1.01, 220.0]], "x")
    targets = kind.frame_targets(track, kind.names_of([track]), 75, RATE)
    assert set(targets[:24]) == {-1}
    assert targets[25] == 1
    assert set(targets[28:]) == {-1}


@pytest.mark.parametrize(("cell", "words"), [
    ([[0.0, 220.0], [0.0, 220.0]], "times do not ascend"),
    ([[0.0, 1e6]], "is not a frequency in Hz"),
    ([[0.0, 0.22]], "is it in kHz"),
    ({"times": [0.0, 0.1], "frequencies": [220.0]}, "not equally many"),
    ({"times": [0.0]}, "no 'times' and 'frequencies'"),
    ("A4", "expected a list of"),
])  # fmt: skip
def test_what_is_no_melody_is_named(cell, words):
    with pytest.raises(DataError, match=words):
        melody_of(cell, "x")


def test_rows_of_time_and_frequency_are_a_melody_by_the_name_of_their_column():
    cells = [[[0.0, 220.0], [0.01, 221.0]]] * 2
    assert [kind_of(Column(name, cells)).name for name in ("melody", "f0", "pitch")] == ["melody"] * 3
    assert kind_of(Column("x", [[[0.5, 1], [1.0, 2]]])).name == "beats"


@pytest.mark.parametrize(("frequency", "is_named"), [(60.5, True), (220.0, False)])
def test_frequencies_that_may_be_midi_numbers_are_named(frequency, is_named):
    evidence = recognise(Column("melody", [[[0.0, 0.0], [0.1, frequency], [0.2, frequency]]] * 3)).evidence
    assert ("no frequency is above 60.5 Hz: if these are MIDI numbers, write them in Hz" in evidence) == is_named


def test_tracks_in_which_nothing_ever_sounds_teach_nothing():
    kind = kind_named("melody")
    silence, voice = ({"times": [0.0, 0.1], "frequencies": [hertz] * 2} for hertz in (0.0, 220.0))
    told = [
        kind.unlearnable(kind.read(Column("melody", [cell] * 2, ["a", "b"], [0.0] * 2))) for cell in (silence, voice)
    ]
    assert told == ["holds a single class", ""]
