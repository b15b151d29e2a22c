"""What is written in a piece's labels is what is played."""

import itertools

import numpy as np
import pytest

from layerscope.toymusic import compose, compose_note
from layerscope.toymusic.composer import PITCH_CLASSES
from layerscope.toymusic.styles import INSTRUMENTS, STYLES

PIECES = [compose(seed, 12.0) for seed in range(40)]


def test_the_same_seed_gives_the_same_piece_and_another_another():
    assert compose(3, 12.0) == compose(3, 12.0)
    assert compose(3, 12.0) != compose(4, 12.0)


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: str(piece.seed))
def test_labels_are_consistent(piece):
    spacing = np.diff(piece.beats)
    np.testing.assert_allclose(spacing, 60 / piece.tempo, rtol=1e-9)
    assert set(piece.downbeats) <= set(piece.beats)
    np.testing.assert_allclose(np.diff(piece.downbeats), piece.metre * 60 / piece.tempo, rtol=1e-9)
    for spans in (piece.chords, piece.sections):
        assert spans[0][0] == 0.0
        assert spans[-1][1] == piece.seconds
        assert all(before[1] == pytest.approx(after[0]) for before, after in itertools.pairwise(spans))


def test_accompaniment_plays_the_chord_that_is_written():
    wrong = total = 0
    for piece in PIECES:
        for start, end, label in piece.chords:
            if label == "N":
                continue
            root, quality = label.split(":")
            third, fifth = {"maj": (4, 7), "min": (3, 7), "dim": (3, 6)}[quality]
            allowed = {(PITCH_CLASSES.index(root) + step) % 12 for step in (0, third, fifth, 10)}
            inside = [n for n in piece.notes if start + 0.03 < n.start < end - 0.03 and n.velocity in (0.35, 0.7)]
            total += len(inside)
            wrong += sum(note.pitch % 12 not in allowed for note in inside)
    assert total > 1000
    assert wrong == 0


def test_styles_and_instruments_all_occur():
    pieces = [compose(seed, 6.0) for seed in range(200)]
    assert {piece.style for piece in pieces} == set(STYLES)
    assert {piece.instrument for piece in pieces} == set(INSTRUMENTS)
    assert all(piece.metre == STYLES[piece.style].metre for piece in pieces)


def test_patterns_fill_their_bars():
    for style in STYLES.values():
        for pattern in (style.kick, style.snare, style.hat, style.bass, style.chords):
            assert len(pattern) == style.metre * 4


def test_a_note_is_one_note():
    piece = compose_note(5)
    assert len(piece.notes) == 1
    assert not piece.hits
    assert 45 <= piece.notes[0].pitch < 75
