"""The same music is recognised whatever was done to its file; other music is not."""

import itertools

import numpy as np
import pytest
from benchmarks.hostile.made_audio import piped

from layerscope.data.acoustic_fingerprint import RATE, candidates, difference, fingerprint, near_duplicates
from layerscope.data.audio import load


def melody(seed, seconds=8.0, rate=RATE):
    """Return notes with overtones, a quarter of a second each, at pitches drawn by a seed."""
    random, time = np.random.default_rng(seed), np.arange(int(rate / 4)) / rate
    notes = [
        sum(np.sin(2 * np.pi * 110 * 2 ** (pitch / 12) * partial * time) / partial for partial in range(1, 9))
        for pitch in random.integers(0, 36, int(4 * seconds))
    ]
    return (0.1 * np.concatenate(notes)).astype(np.float32)


def test_what_changes_no_recording_changes_few_bits(tmp_path):
    original = fingerprint(melody(0))
    loud = melody(0, rate=44_100)
    (tmp_path / "a.mp3").write_bytes(piped("mp3", "libmp3lame", loud[:, None], 44_100))
    copy = fingerprint(load(tmp_path / "a.mp3", RATE) / 4)
    (pair,) = near_duplicates([original, copy, fingerprint(melody(1))])
    assert (pair.first, pair.second) == (0, 1)
    assert pair.different < 0.15
    assert abs(pair.offset) < 0.1


def test_a_stretch_that_was_cut_out_is_found_where_it_was():
    whole = melody(0)
    (pair,) = near_duplicates([fingerprint(whole), fingerprint(whole[3 * RATE : 7 * RATE])])
    assert pair.offset == pytest.approx(3.0, abs=0.02)


def test_bits_are_those_of_the_definition():
    """Energies of 33 bands by hand, for two frames that follow one another."""
    samples = melody(2, seconds=2.0)
    edges = np.round(np.geomspace(300, 2000, 34) * 2048 / 5500).astype(int)
    energies = []
    for first in (640, 704):
        spectrum = np.abs(np.fft.rfft(samples[first : first + 2048] * np.hanning(2048))) ** 2
        energies.append([spectrum[low:high].sum() for low, high in itertools.pairwise(edges)])
    before, now = energies
    bits = 0
    for band in range(32):
        bits = 2 * bits + ((now[band] - now[band + 1]) - (before[band] - before[band + 1]) > 0)
    unlike = bin(int(fingerprint(samples).bits[10]) ^ bits).count("1")
    assert unlike <= 1  # float32 may round a difference across 0


def test_silence_and_short_clips_match_nothing():
    silence, short = np.zeros(8 * RATE, np.float32), melody(0, seconds=2.0)
    prints = [fingerprint(sound) for sound in (silence, silence, short, short, silence[:10])]
    assert [one.usable for one in prints] == [False] * 5
    assert near_duplicates(prints) == []
    assert near_duplicates([]) == []
    # A second of music and seven of silence are no more than a second.
    padded = [fingerprint(np.concatenate([melody(seed, 1.0), silence])) for seed in (0, 1)]
    assert near_duplicates(padded) == []


def test_a_sound_that_never_changes_is_not_held_against_all_others():
    tone = np.sin(np.arange(8 * RATE) * 0.5).astype(np.float32)
    prints = [fingerprint(tone)] * 100
    assert len(candidates(prints)) <= 16 * 100
    assert difference(prints[0], prints[1], 0) == 0.0
