"""Chord symbols of lead sheets become Harte's, by the notes that they stand for."""

import mir_eval
import pytest

from layerscope.targets.chord_symbols import QUALITIES, harte


@pytest.mark.parametrize(
    ("symbol", "notes"),
    [
        ("C", {0, 4, 7}), ("Cmaj7", {0, 4, 7, 11}), ("CM7", {0, 4, 7, 11}), ("CΔ7", {0, 4, 7, 11}),
        ("Am7", {9, 0, 4, 7}), ("F#m", {6, 9, 1}), ("F♯m", {6, 9, 1}), ("B♭", {10, 2, 5}), ("Bb/D", {10, 2, 5}),
        ("G7sus4", {7, 0, 2, 5}), ("Gsus", {7, 0, 2}), ("Bdim", {11, 2, 5}), ("B°7", {11, 2, 5, 8}),
        ("Bm7b5", {11, 2, 5, 9}),
        ("Bø", {11, 2, 5, 9}), ("C+", {0, 4, 8}), ("D-7", {2, 5, 9, 0}), ("Cm(maj7)", {0, 3, 7, 11}),
        # mir_eval leaves out what lies beyond the octave.
        ("E7#9", {4, 8, 11, 2}), ("C6/9", {0, 4, 7, 9}), ("Cadd9", {0, 4, 7}), ("C6", {0, 4, 7, 9}),
        ("C5", {0, 7}), ("A7/C#", {9, 1, 4, 7}),
        ("C minor", {0, 3, 7}), ("C:major", {0, 4, 7}),
    ],
)  # fmt: skip
def test_a_symbol_means_its_notes(symbol, notes):
    root, bitmap, _ = mir_eval.chord.encode(harte(symbol))
    assert {(root + semitone) % 12 for semitone, sounds in enumerate(bitmap) if sounds} == notes


def test_the_bass_is_a_degree_of_the_root():
    assert [harte(symbol) for symbol in ("Bb/D", "C/G", "Am/G", "D7/F#")] == [
        "Bb:maj/3",
        "C:maj/5",
        "A:min/b7",
        "D:7/3",
    ]


@pytest.mark.parametrize("label", ["N", "X", "A:min7", "C:maj(9)", "D:min7(4)/b7", "C/5", "C:(1,3,5)"])
def test_what_is_harte_already_stays(label):
    assert harte(label) == label


@pytest.mark.parametrize("label", ["verse", "N/A", "Bridge", "A1", "H7", "?", "", "Add", "C/E/G"])
def test_what_is_no_symbol_stays(label):
    assert harte(label) == label


@pytest.mark.parametrize("name", sorted(set(QUALITIES.values())))
def test_every_quality_is_one_that_mir_eval_knows(name):
    mir_eval.chord.encode(f"C:{name}")


def test_no_chord_has_several_names():
    assert {harte(label) for label in ("NC", "N.C.", "no chord")} == {"N"}
