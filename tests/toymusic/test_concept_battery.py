"""What a clip of the battery is labelled with is what sounds, and nothing else tells it."""

import io
from collections import Counter

import numpy as np
import pytest
import soundfile

from layerscope.data.dataset import Dataset
from layerscope.toymusic.composer import PITCH_CLASSES
from layerscope.toymusic.concept_battery import (
    CONCEPTS,
    FACTORS,
    MOTIFS,
    battery,
    file_of,
    sound_of,
    write_battery,
)
from layerscope.toymusic.synthesizer import RATE

SETS = battery()
CLIPS = [clip for clips in SETS.values() for clip in clips]


def test_it_is_the_same_each_time():
    assert battery() == SETS
    np.testing.assert_array_equal(sound_of(CLIPS[0]), sound_of(CLIPS[0]))


@pytest.mark.parametrize(("concept", "name"), CONCEPTS.items())
def test_every_motif_has_every_level_equally_often(concept, name):
    for group in range(MOTIFS):
        levels = Counter(clip.labels[concept] for clip in SETS[name] if clip.group == group)
        assert len(set(levels.values())) == 1
        assert len(levels) > 1
        if concept in FACTORS:
            assert set(levels) == set(FACTORS[concept])


def test_no_factor_tells_another():
    """Cramér's V of two factors that are drawn one apart from another: of 192 clips it is small."""
    levels = {name: np.array([clip.labels[name] for clip in SETS["tunes"]]) for name in FACTORS}
    for name, column in levels.items():
        for other, beside in levels.items():
            if name < other:
                (_, rows), (_, columns) = (np.unique(each, return_inverse=True) for each in (column, beside))
                table = np.zeros((rows.max() + 1, columns.max() + 1))
                np.add.at(table, (rows, columns), 1)
                expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
                chi_square = ((table - expected) ** 2 / expected).sum()
                assert chi_square / len(column) / (min(table.shape) - 1) < 0.3**2


def test_no_two_clips_sound_alike():
    assert len({(tuple(clip.notes), clip.labels["loudness"], clip.seconds) for clip in CLIPS}) == len(CLIPS)


def test_sounds_have_the_level_that_is_written_and_none_is_clipped():
    wanted = {"soft": -40.0, "medium": -31.0, "loud": -22.0}
    for clip in CLIPS[::7]:
        samples = sound_of(clip)
        assert np.abs(samples).max() < 1
        assert 10 * np.log10(np.mean(samples**2)) == pytest.approx(wanted[clip.labels["loudness"]], abs=0.01)


def test_a_change_differs_from_its_tune_in_one_factor_alone():
    changed = Counter()
    for clip in SETS["changes"]:
        base = next(tune for tune in SETS["tunes"] if tune.group == clip.group)
        differing = [name for name, level in clip.labels.items() if level != base.labels[name]]
        assert len(differing) == 1
        changed[differing[0]] += 1
    assert changed == dict.fromkeys([*FACTORS, "tune"], MOTIFS)


def test_a_change_of_loudness_is_a_gain():
    for clip in [clip for clip in SETS["changes"] if clip.name.endswith("loudness")][:3]:
        base = next(tune for tune in SETS["tunes"] if tune.group == clip.group)
        ours, theirs = sound_of(clip), sound_of(base)
        gain = (ours @ theirs) / (theirs @ theirs)
        np.testing.assert_allclose(ours, gain * theirs, atol=1e-6)


def test_a_note_sounds_at_its_pitch():
    """The strongest partial of an organ is the first."""
    clips = [clip for clip in SETS["pitches"] if clip.labels["instrument"] == "organ"]
    assert len(clips) == 2 * MOTIFS
    for clip in clips:
        first = sound_of(clip)[: round(clip.notes[0].duration * RATE)]
        spectrum = np.abs(np.fft.rfft(first * np.hanning(len(first)), 1 << 17))
        midi = 69 + 12 * np.log2(np.argmax(spectrum) * RATE / (1 << 17) / 440)
        octave = {"low": 48, "middle": 60, "high": 72}[clip.labels["octave"]]
        assert midi == pytest.approx(octave + PITCH_CLASSES.index(clip.labels["pitch"]), abs=0.3)


def test_notes_of_a_tune_are_of_its_key_and_mode():
    steps = {"major": {0, 2, 4, 5, 7, 9, 11}, "minor": {0, 2, 3, 5, 7, 8, 10}}
    for clip in SETS["tunes"]:
        tonic = PITCH_CLASSES.index(clip.labels["key"])
        heard = {(note.pitch - tonic) % 12 for note in clip.notes}
        assert heard <= steps[clip.labels["mode"]]
        assert {"major": 4, "minor": 3}[clip.labels["mode"]] in heard


def test_the_bass_marks_bars_of_the_metre_and_tempo():
    for clip in SETS["tunes"]:
        lowest = min(note.pitch for note in clip.notes)
        downbeats = [note.start for note in clip.notes if note.pitch == lowest and note.velocity == 0.9]
        bar = int(clip.labels["metre"][0]) * 60 / float(clip.labels["tempo"])
        np.testing.assert_allclose(np.diff(downbeats), bar)
        assert len(downbeats) >= 2


def test_rhythms_have_as_many_notes_as_each_other():
    for clip in [clip for clip in SETS["changes"] if clip.name.endswith("rhythm")]:
        base = next(tune for tune in SETS["tunes"] if tune.group == clip.group)
        assert abs(len(clip.notes) - len(base.notes)) <= 1  # the last one may begin too late


def test_halves_are_alike_where_a_tune_comes_again():
    for clip in SETS["repetitions"]:
        half = clip.seconds / 2
        first = [(note.start, note.pitch) for note in clip.notes if note.start < half]
        second = [(round(note.start - half, 9), note.pitch) for note in clip.notes if note.start >= half]
        again = first == [(pytest.approx(start), pitch) for start, pitch in second]
        assert again == (clip.labels["repetition"] == "again")


def test_it_is_written_as_a_table_of_files(tmp_path):
    tables = write_battery(tmp_path, {"chords": SETS["chords"][:8]})
    dataset = Dataset.load(tables["chords"])
    assert not dataset.skipped
    assert list(dataset.clips.chord) == [clip.labels["chord"] for clip in SETS["chords"][:8]]
    samples, rate = soundfile.read(io.BytesIO(file_of(SETS["chords"][0])))
    assert (rate, len(samples)) == (RATE, 36_000)
