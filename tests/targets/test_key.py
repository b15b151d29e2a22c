"""Keys: how they are spelled, and how near one is to another."""

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import recognise
from layerscope.targets.key import KEY_NAMES, Key, key_name
from layerscope.targets.kind import Column, Labels


@pytest.mark.parametrize(
    ("text", "name"),
    [("Gb:maj", "Gb major"), ("F# major", "Gb major"), ("Eb minor", "Eb minor"), ("cb MAJOR", "B major"),
     ("E#:min", "F minor"), ("Cm", "C minor"), ("F#m", "Gb minor"), ("c minor", "C minor"), ("Db:maj", "Db major"),
     ("F♯ minor", "Gb minor"), ("a", "A minor"), ("A", "A major"), ("Am", "A minor"), ("A-flat major", "Ab major"),
     ("0:maj", "C major"), ("11 min", "B minor"), ("C sharp Minor", "Db minor"), ("bb", "Bb minor"), ("bm", "B minor"),
     ("Bb", "Bb major"), ("Bm", "B minor"), ("BM", "B major"), ("B minor\n", "B minor"), ("F#\tminor", "Gb minor"),
     ("D#:minor", "Eb minor"), ("Ebmin", "Eb minor"), ("c#", "Db minor"), ("Abmaj", "Ab major")],
)  # fmt: skip
def test_keys_are_read_in_their_usual_spellings(text, name):
    assert key_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "H major",
        "C dorian",
        "C major x",
        "X",
        "other",
        "unknown",
        "C major / A minor",
        "C-",
        "0",
        "12:maj",
        "Bad",
        "E flat dorian",
        "8A",
        "minor",
    ],
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(DataError, match="not a major or minor key"):
        key_name(text)


def test_key_scores_of_the_known_relations():
    wanted = {"C major": 1.0, "G major": 0.5, "F major": 0.0, "A minor": 0.3, "C minor": 0.2, "D major": 0.0}
    for guess, expected in wanted.items():
        labels = Labels(Key(), KEY_NAMES, np.array([KEY_NAMES.index("C major")]))
        scores = np.eye(24)[[KEY_NAMES.index(guess)]]
        assert labels.score(scores, "key_score")[0] == expected
        both = 0.5 if guess == "F major" else expected
        assert labels.score(scores, "key_score_mirex")[0] == both


def test_one_unknown_key_changes_nothing():
    """D♯ and E♭ minor stay one key, and what is none is named."""
    cells = ["D# minor", "Eb minor", "F#m", "X", "C major", "a", "other", "X", "Gb:maj", "Am"]
    recognised = recognise(Column("key", cells))
    assert recognised.evidence == "key: 7 of 10 cells; 3 set aside: 'X' (2), 'other'"
    assert sorted(recognised.faults) == [3, 6, 7]
    assert recognised.faults[6] == "'other' is not a major or minor key such as 'Eb minor'"
    labels = recognised.kind.read(Column("key", cells[:3]))
    assert labels.values.tolist() == [KEY_NAMES.index(name) for name in ("Eb minor", "Eb minor", "Gb minor")]


def test_a_column_of_other_names_is_no_key_though_one_cell_is():
    assert recognise(Column("key", ["shift", "alt", "a", "tab"])).kind.name == "classes"
