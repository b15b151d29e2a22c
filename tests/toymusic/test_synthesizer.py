"""What sounds is what is written: pitch, onset and loudness measured off the samples."""

import time

import librosa
import numpy as np
import pytest

from layerscope.toymusic import RATE, compose, compose_note, render
from layerscope.toymusic.composer import Hit, Note, Piece
from layerscope.toymusic.styles import INSTRUMENTS


def test_deterministic_to_the_bit_finite_and_below_one():
    for seed in range(8):
        first, second = render(compose(seed, 6.0)), render(compose(seed, 6.0))
        assert first.dtype == np.float32
        assert len(first) == 6 * RATE
        np.testing.assert_array_equal(first, second)
        assert np.isfinite(first).all()
        assert np.abs(first).max() < 1


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_pitch_is_the_one_that_is_written(instrument):
    piece = Piece(seed=1, seconds=1.0, notes=[Note(0.05, 0.8, 57, 1.0, instrument)])
    sound = render(piece)
    found = librosa.yin(sound, fmin=100, fmax=800, sr=RATE)
    # The seed's detuning is below a third of a semitone.
    assert 12 * abs(np.log2(np.median(found[10:30]) / 220.0)) % 12 < 0.35


def test_a_stroke_sounds_when_it_is_written():
    piece = Piece(seed=2, seconds=1.0, hits=[Hit(0.5, "snare", 1.0)])
    sound = render(piece)
    loud = np.flatnonzero(np.abs(sound) > 0.3 * np.abs(sound).max())[0] / RATE
    assert loud == pytest.approx(0.5, abs=0.01)


def test_timbres_differ_in_their_spectra():
    spectra = []
    for instrument in INSTRUMENTS:
        sound = render(Piece(seed=3, seconds=1.0, notes=[Note(0.0, 0.9, 57, 1.0, instrument)]))
        mel = librosa.feature.mfcc(y=sound, sr=RATE, n_mfcc=20)[1:].mean(axis=1)
        spectra.append(mel)
    for one in range(len(spectra)):
        for other in range(one):
            assert np.linalg.norm(spectra[one] - spectra[other]) > 10, (INSTRUMENTS[one], INSTRUMENTS[other])


@pytest.mark.slow
def test_at_least_fifty_times_real_time():
    pieces = [compose(seed, 12.0) for seed in range(20)]
    started = time.process_time()
    for piece in pieces:
        render(piece)
    assert 20 * 12.0 / (time.process_time() - started) > 50


def test_a_note_clip_holds_its_pitch():
    piece = compose_note(11)
    assert np.abs(render(piece)).max() > 0.05
