"""Chords are reduced and compared as mir_eval does it."""

import mir_eval
import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import kind_of, recognise
from layerscope.targets.cells import Column
from layerscope.targets.chords import CHORD_NAMES, Chords, chord_number
from layerscope.targets.spans import Spans

MEASURES = {metric.name: metric.measure for metric in Chords.metrics}


LABELS = ["N", "C:maj", "Db:maj", "C#:maj7/5", "Bb:min", "A:7", "G:dim", "D:sus4", "X", "E:min7", "F:maj/3", "B:aug",
          "Gb:min9", "A:hdim7"]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_chords_are_reduced_as_mir_eval_compares_them(label):
    """A label has a number exactly where mir_eval's majmin scores it, and that number's chord gets full marks."""
    number = chord_number(label)
    if number < 0:
        assert mir_eval.chord.majmin([label], ["C:maj"])[0] == -1
    else:
        assert mir_eval.chord.majmin([label], [CHORD_NAMES[number]])[0] == 1
        others = [mir_eval.chord.majmin([label], [other])[0] for other in CHORD_NAMES if other != CHORD_NAMES[number]]
        assert max(others) == 0


def test_what_is_no_chord_is_refused():
    with pytest.raises(DataError, match="'Q:maj' is not a chord in Harte's syntax"):
        chord_number("Q:maj")


def test_a_chord_that_is_none_names_the_clip():
    with pytest.raises(DataError, match=r"song\.wav: 'Q:maj' is not a chord"):
        Chords().read(Column("chords", [[[0.0, 1.0, "Q:maj"]]], ["song.wav"], [0.0]))


def spans(*rows):
    return Spans(np.array([row[:2] for row in rows], float), tuple(row[2] for row in rows))


REFERENCE = spans((0, 2, "C:maj"), (2, 4, "G:dim"), (4, 8, "A:min7"), (8, 10, "N"))
ESTIMATE = spans((0, 3, "C:maj"), (3, 6, "A:min"), (6, 9, "F:maj"), (9, 10, "N"))


def test_majmin_is_mir_evals_on_a_case_done_by_hand():
    value, weight = MEASURES["majmin"](REFERENCE, ESTIMATE)
    # 2 s of C right; G:dim out of gamut; of A:min7's 4 s two right; of N's 2 s one: 5 of 8.
    assert (value, weight) == (pytest.approx(5 / 8), pytest.approx(8.0))


@pytest.mark.parametrize("metric", ["majmin", "root"])
def test_chord_scores_are_mir_evals_evaluator(metric):
    found = mir_eval.chord.evaluate(
        REFERENCE.intervals, list(REFERENCE.labels), ESTIMATE.intervals, list(ESTIMATE.labels)
    )
    assert MEASURES[metric](REFERENCE, ESTIMATE)[0] == pytest.approx(found[metric])


def test_an_estimate_that_ends_early_has_no_chord_after_it():
    short = spans((0, 2, "C:maj"))
    value, weight = MEASURES["majmin"](REFERENCE, short)
    assert (value, weight) == (pytest.approx(4 / 8), pytest.approx(8.0))


def song(*labels):
    return [[2.0 * number, 2.0 * number + 2, label] for number, label in enumerate(labels)]


def test_odd_chords_are_unscored_and_counted_by_name():
    cells = [song("C", "F", "Am7", "N/A"), song("G7sus4", "Bb/D", "N/A", "N.C."), song("F#m", "Cmaj7", "tacet", "G")]
    column = Column("harmony", cells, ["1.wav", "2.wav", "3.wav"], [0.0] * 3)
    recognised = recognise(column)
    assert recognised.evidence == (
        "chords: 3 of 3 cells; 3 of 12 labels are no chords and not scored: 'N/A' (2), 'tacet'"
    )
    tracks = recognised.kind.read(column).values
    assert tracks[0].labels == ("C", "F", "A:min7", "X")
    assert tracks[1].labels == ("G:sus4(b7)", "Bb:maj/3", "X", "N")
    assert MEASURES["majmin"](tracks[0], spans((0, 8, "C:maj")))[1] == 6.0


def test_a_clip_without_any_chord_is_set_aside():
    column = Column("harmony", [song("C:maj", "F:maj"), song("verse", "chorus"), song("Am", "E:min")])
    assert recognise(column).faults == {
        1: "'harmony': 'verse' is not a chord such as 'C:min7' or 'Cm7'; none of its labels is"
    }


def test_lone_letters_are_chords_in_a_column_of_chords_alone():
    cells = [song("A", "B", "A", "C")] * 3
    assert kind_of(Column("structure", cells)).name == "segments"
    assert kind_of(Column("chords", cells)).name == "chords"
    # With others that are no section's, lone letters are chords as well.
    assert kind_of(Column("x", [song("A", "D", "E7")])).name == "chords"
    assert kind_of(Column("x", [song("A", "B", "intro", "A1")])).name == "segments"
    # Of sections i is the intro, and N and X are none that has a name.
    assert kind_of(Column("x", [song("i", "A", "X", "B", "X", "b")])).name == "segments"
    assert kind_of(Column("sections", [song("A7", "B7", "C9", "Am")])).name == "segments"


@pytest.mark.parametrize(
    ("name", "labels"),
    [("x", ("I", "V7", "vi", "IV")), ("x", ("i", "iv", "V")), ("chords", ("I", "IV", "V")), ("chords", ("1", "4", "5")),
     ("chords", ("a", "d", "e")), ("harmony", ("C-G", "Am", "C|G"))],
)  # fmt: skip
def test_chords_in_no_notation_that_is_read_never_become_segments_in_silence(name, labels):
    column = Column(name, [song(*labels)], ["1.wav"], [0.0])
    with pytest.raises(DataError, match=r"(labels are no chords|name tells of chords).* --kind segments"):
        recognise(column)
    assert recognise(column, "segments").kind.name == "segments"
    # Movements are sections.
    assert recognise(Column("x", [song("I", "II", "III")], ["1.wav"], [0.0])).kind.name == "segments"


@pytest.mark.parametrize(
    ("labels", "chords"),
    [
        (("Hm", "B", "Fis7", "Es/G"), ("B:min", "Bb", "F#:7", "Eb:maj/3")),
        (("H7", "E", "A/H"), ("B:7", "E", "A:maj/2")),
        (("Do", "Rem", "Lam", "Sol7", "Sib"), ("C", "D:min", "A:min", "G:7", "Bb")),
        # Not of German, though they begin alike, and one that is D diminished where none is solfège.
        (("Esus4", "Asus2", "Do", "G"), ("E:sus4", "A:sus2", "D:dim", "G")),
        (("H", "B", "Bb", "C"), ("B", "X", "Bb", "C")),
        (("Am", "C", "Solo", "Bridge", "G"), ("A:min", "C", "X", "X", "G")),
    ],
)
def test_chords_are_read_in_the_notation_of_their_column(labels, chords):
    column = Column("chords", [song(*labels)], ["1.wav"], [0.0])
    kind = recognise(column).kind
    assert kind.name == "chords"
    assert kind.read(column).values[0].labels == chords


def test_a_hyphen_that_may_be_minor_or_a_flat_is_not_scored():
    cells = [song("B-", "E-m", "F/A", "C"), song("G", "D-", "G7", "F/B-"), song("C", "F", "G7", "C")]
    column = Column("chords", cells, ["1.wav", "2.wav", "3.wav"], [0.0] * 3)
    recognised = recognise(column)
    assert [track.labels for track in recognised.kind.read(column).values] == [
        ("X", "X", "F:maj/3", "C"),
        ("G", "X", "G:7", "X"),
        ("C", "F", "G:7", "C"),
    ]
    assert "'-' is minor or, as in 'E-m', a flat; 4 of 12 labels are no chords and not scored" in recognised.evidence
    jazz = Column("chords", [song("B-", "C-7", "F-maj7", "G7")], ["1.wav"], [0.0])
    assert recognise(jazz).kind.read(jazz).values[0].labels == ("B:min", "C:min7", "F:minmaj7", "G:7")
