"""What becomes of labels where sound is higher or faster."""

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import kind_named
from layerscope.targets.cells import Column


def labels_of(kind, cells, column="label"):
    names = [str(row) for row in range(len(cells))]
    return kind_named(kind).read(Column(column, cells, names, [0.0] * len(cells)))


def changed(kind, cells, semitones=0.0, tempo=1.0, column="label"):
    labels = labels_of(kind, cells, column)
    return labels.kind.changed(labels, column, semitones, tempo)


def test_keys_are_transposed_and_keep_their_mode():
    labels = changed("key", ["B major", "A minor", "C major"], semitones=1)
    assert [labels.names[value] for value in labels.values] == ["C major", "Bb minor", "Db major"]
    down = changed("key", ["C major"], semitones=-1)
    assert down.names[down.values[0]] == "B major"
    same = changed("key", ["C major"], tempo=1.1)
    assert same.names[same.values[0]] == "C major"


def test_chords_are_transposed_with_their_bass_and_moved_in_time():
    track = changed("chords", [[[0.0, 1.1, "B:min7/b3"], [1.1, 2.2, "N"]]], semitones=2, tempo=1.1).values[0]
    assert track.labels == ("Db:min7/b3", "N")
    np.testing.assert_allclose(track.intervals, [[0, 1], [1, 2]])


def test_beats_onsets_and_sections_come_earlier_where_the_sound_is_faster():
    beats = changed("beats", [{"beat": [1.0, 2.0], "downbeat": [1.0]}], tempo=2.0).values[0]
    assert beats.beats.tolist() == [0.5, 1.0]
    assert beats.downbeats.tolist() == [0.5]
    onsets = changed("onsets", [{"onsets": [1.0, 3.0]}, {"onsets": [2.0, 4.0]}], tempo=2.0)
    assert [track.tolist() for track in onsets.values] == [[0.5, 1.5], [1.0, 2.0]]
    sections = changed("segments", [[[0.0, 3.0, "A"], [3.0, 6.0, "B"]]], semitones=1, tempo=0.5).values[0]
    assert sections.intervals.tolist() == [[0.0, 6.0], [6.0, 12.0]]
    assert sections.labels == ("A", "B")


def test_notes_and_melodies_are_higher():
    notes = changed("notes", [[[0.0, 1.0, 60], [1.0, 2.0, 64]]], semitones=-12, tempo=2.0).values[0]
    assert notes.pitches.tolist() == [48, 52]
    assert notes.intervals.tolist() == [[0.0, 0.5], [0.5, 1.0]]
    melody = changed("melody", [{"times": [0.0, 1.0], "frequencies": [220.0, 0.0]}], semitones=12).values[0]
    assert melody.frequencies.tolist() == [440.0, 0.0]


@pytest.mark.parametrize("kind", ["key", "chords", "notes"])
def test_what_lies_between_two_notes_is_left_out(kind):
    cells = {"key": ["C major"], "chords": [[[0.0, 1.0, "C"]]], "notes": [[[0.0, 1.0, 60]]]}[kind]
    with pytest.raises(DataError, match="semitones higher lie between"):
        changed(kind, cells, semitones=0.5)


def test_tempi_are_as_many_times_as_fast_and_other_values_stay():
    values = changed("values", [[100.0, 0.5], [120.0, 0.25]], tempo=1.1, column="bpm,valence").values
    np.testing.assert_allclose(values, [[110, 0.5], [132, 0.25]], rtol=1e-6)
    assert changed("values", [[100.0], [110.5]], semitones=3, column="tempo").values[:, 0].tolist() == [100.0, 110.5]


@pytest.mark.parametrize(
    ("kind", "cells", "column", "semitones", "tempo", "told"),
    [
        ("classes", ["60", "61"], "label", 1, 1, "its names, such as '60', may tell of pitch"),
        ("classes", ["C4", "D#4"], "label", 1, 1, "may tell of pitch"),
        ("classes", ["low", "high"], "midiPitch", 1, 1, "'midiPitch', tells of pitch"),
        ("classes", ["slow", "fast"], "tempo", 0, 1.1, "'tempo', tells of tempo"),
        ("tags", ["a|b", "a"], "notes", 1, 1, "'notes', tells of pitch"),
        ("values", [[440.0], [441.5]], "f0_hz", 1, 1, "tells of pitch"),
        ("values", [[1.0], [2.5]], "duration", 0, 1.1, "tells of tempo"),
        ("segments", [[[0.0, 1.0, "I"], [1.0, 2.0, "V"]]], "chords", 1, 1, "'chords', tells of pitch"),
    ],
)
def test_labels_that_may_change_are_left_out_with_the_reason(kind, cells, column, semitones, tempo, told):
    with pytest.raises(DataError, match=told):
        changed(kind, cells, semitones, tempo, column)
    # Where the sound stays as high and as fast, so do they.
    before = labels_of(kind, cells, column)
    after = before.kind.changed(before, column, 0.0, 1.0)
    assert all(np.all(one == other) for one, other in zip(before.values, after.values, strict=True))


def test_genres_and_instruments_stay():
    assert changed("classes", ["jazz", "rock"], 1, 1.1, "genre").values.tolist() == [0, 1]
    assert changed("tags", ["calm|slow", "loud"], 1, 1.1, "mood").values.tolist() == [[1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    "names", [["C major", "A minor"], ["Cm", "Am"], ["C:maj", "G:min7"], ["C4", "Eb4"], ["midi_60", "midi_62"]]
)
def test_names_of_keys_chords_and_notes_are_left_out_under_another_pitch_whatever_their_column_is_called(names):
    with pytest.raises(DataError, match="may tell of pitch"):
        changed("classes", names * 2, semitones=1)
    assert changed("classes", names * 2, tempo=1.1).names == tuple(sorted(names))


@pytest.mark.parametrize(
    ("column", "names"), [("label", ["slow", "fast"]), ("label", ["allegro", "largo"]), ("bpm2", ["x", "y"])]
)
def test_names_of_tempi_are_left_out_under_another_tempo(column, names):
    with pytest.raises(DataError, match="of tempo, which changes"):
        changed("classes", names * 2, tempo=1.1, column=column)
    assert changed("classes", names * 2, semitones=1, column=column).names == tuple(sorted(names))


@pytest.mark.parametrize("names", [["Blues/Rock", "Folk"], ["a cappella", "Bass"], ["Drums", "Cello"], ["3/4", "4/4"]])
def test_other_names_stay(names):
    assert changed("classes", names * 2, semitones=1, tempo=1.1).names == tuple(sorted(names))
