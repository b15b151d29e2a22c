"""Keys: how they are spelled, and how near one is to another."""

import numpy as np
import pytest

from layerscope.errors import DataError
from layerscope.targets import recognise
from layerscope.targets.cells import Column
from layerscope.targets.key import Key
from layerscope.targets.key_names import KEY_NAMES, key_name
from layerscope.targets.kind import Labels


@pytest.mark.parametrize(
    ("text", "name"),
    [("Gb:maj", "Gb major"), ("F# major", "Gb major"), ("Eb minor", "Eb minor"), ("cb MAJOR", "B major"),
     ("E#:min", "F minor"), ("Cm", "C minor"), ("F#m", "Gb minor"), ("c minor", "C minor"), ("Db:maj", "Db major"),
     ("F♯ minor", "Gb minor"), ("a", "A minor"), ("A", "A major"), ("Am", "A minor"), ("A-flat major", "Ab major"),
     ("0:maj", "C major"), ("11 min", "B minor"), ("C sharp Minor", "Db minor"), ("bb", "Bb minor"), ("bm", "B minor"),
     ("Bb", "Bb major"), ("Bm", "B minor"), ("BM", "B major"), ("B minor\n", "B minor"), ("F#\tminor", "Gb minor"),
     ("D#:minor", "Eb minor"), ("Ebmin", "Eb minor"), ("c#", "Db minor"), ("Abmaj", "Ab major"),
     ("B- major", "Bb major"), ("e- minor", "Eb minor"), ("B-major", "B major"), ("C_sharp_major", "Db major"),
     ("Ami", "A minor")],
)  # fmt: skip
def test_keys_are_read_in_their_usual_spellings(text, name):
    assert key_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
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


@pytest.mark.parametrize(
    ("text", "name"),
    [("C-Dur", "C major"), ("a-moll", "A minor"), ("h-moll", "B minor"), ("B-Dur", "Bb major"), ("Fis-Dur", "Gb major"),
     ("as moll", "Ab minor"), ("Es-Dur", "Eb major"), ("His-Moll", "C minor"),
     ("H major", "B major"), ("h", "B minor"), ("Fis", "Gb major"),
     ("a mol", "A minor"), ("Hm", "B minor")],
)  # fmt: skip
def test_keys_are_read_in_german(text, name):
    assert key_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("La mineur", "A minor"), ("Si bémol majeur", "Bb major"), ("do maggiore", "C major"), ("Sol# menor", "Ab minor"),
     ("Ré♭ majeur", "Db major"), ("Fa dièse mineur", "Gb minor"), ("Lam", "A minor"), ("MI minor", "E minor")],
)  # fmt: skip
def test_keys_are_read_in_solfege(text, name):
    assert key_name(text) == name


@pytest.mark.parametrize("text", ["La", "do", "sol#", "minor", "Remix", "Solo"])
def test_a_note_of_solfege_alone_has_no_mode(text):
    with pytest.raises(DataError, match="not a major or minor key"):
        key_name(text)


def test_both_names_of_one_key_may_stand():
    assert key_name("C♯/D♭ major") == key_name("Db minor/C# minor").replace("minor", "major") == "Db major"
    with pytest.raises(DataError):
        key_name("C#/D major")


@pytest.mark.parametrize(
    ("cells", "names", "words"),
    [
        (["H", "B", "Fis", "Es"], ["B major", "Bb major", "Gb major", "Eb major"], "read as German"),
        (["h", "b", "a", "C"], ["B minor", "Bb minor", "A minor", "C major"], "read as German"),
        (["B", "C", "Am", "F#"], ["B major", "C major", "A minor", "Gb major"], ""),
        # One slip among many changes nothing.
        (["B"] * 20 + ["H"], ["B major"] * 21, ""),
        # In Dutch B is B.
        (["Bes", "B", "Fis"], ["Bb major", "B major", "Gb major"], ""),
    ],
)
def test_what_b_is_in_a_column_tells_its_h(cells, names, words):
    recognised = recognise(Column("key", cells))
    labels = recognised.kind.read(Column("key", cells))
    assert [labels.names[number] for number in labels.values] == names
    assert words in recognised.evidence
    assert recognised.evidence.startswith(f"key: {len(cells)} of {len(cells)} cells")


@pytest.mark.parametrize("cells", [["H", "B", "Bb", "C", "D"], ["Fis", "Es", "B", "C", "D"]])
def test_a_b_that_may_be_either_of_two_notes_is_set_aside(cells):
    recognised = recognise(Column("key", cells))
    assert recognised.faults == {cells.index("B"): "'B' is B or, as in German, B flat"}


@pytest.mark.parametrize("cells", [["I", "V", "vi"], ["A dorian", "D mixolydian", "C major"],
                                   ["A minor / C major", "C major"]])  # fmt: skip
def test_keys_in_no_notation_that_is_read_never_become_classes_in_silence(cells):
    with pytest.raises(DataError, match=r"are no major or minor keys, such as .* --kind classes"):
        recognise(Column("key", cells))
    assert recognise(Column("key", cells), "classes").kind.name == "classes"


@pytest.mark.parametrize("text", ["1m", "6m", "12d", "1 M", "8b", "Hus-Dur"])
def test_steps_of_a_wheel_are_no_pitch_classes(text):
    with pytest.raises(DataError, match="not a major or minor key"):
        key_name(text)


#: Around the wheel from C major and A minor, as mixing charts print it.
MAJORS = ["C", "G", "D", "A", "E", "B", "Gb", "Db", "Ab", "Eb", "Bb", "F"]
MINORS = ["A", "E", "B", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D"]
WHEEL = [f"{tonic} major" for tonic in MAJORS] + [f"{tonic} minor" for tonic in MINORS]


@pytest.mark.parametrize(("major", "minor", "first"), [("d", "m", 1), ("B", "A", 8), ("b", "a", 8)])
def test_the_wheel_is_read_where_most_cells_are_of_it(major, minor, first):
    steps = [f"{(first + step - 1) % 12 + 1}{letter}" for letter in (major, minor) for step in range(12)]
    column = Column("key", [*steps, "C major"])
    recognised = recognise(column)
    assert recognised.kind.name == "key"
    assert list(recognised.faults) == [24]
    labels = Key().read(Column("key", steps))
    assert [labels.names[number] for number in labels.values] == WHEEL


def test_a_step_of_the_wheel_among_other_keys_is_set_aside():
    recognised = recognise(Column("key", ["C major", "6m", "A minor"]))
    assert (recognised.kind.name, list(recognised.faults)) == ("key", [1])


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [("answer_key", "ABCD", "classes"), ("monkey", "ABCD", "classes"), ("is_turkey", ["Am", "C"], "classes"),
     ("musical_key", "ABCD", "key"), ("musicalKey", "ABCD", "key"), ("answer_key", ["C major", "Am", "D"], "key"),
     ("key (MIREX)", ["C major", "Am", "D"], "key"), ("Key", "ACG", "key")],
)  # fmt: skip
def test_key_is_a_word_of_the_name(name, cells, kind):
    assert recognise(Column(name, list(cells))).kind.name == kind


@pytest.mark.parametrize("codes", [range(2), range(12), range(24), range(-1, 12)])
def test_numbers_of_keys_are_neither_classes_nor_values_until_the_user_says_so(codes):
    column = Column("key", [*codes] * 4)
    with pytest.raises(
        DataError, match=f"{codes[-1]} may be the number of a key in any order; write 'C major', or say --kind"
    ):
        recognise(column)
    assert recognise(column, "classes").faults == {}


def test_lists_of_keys_are_tags_only_where_the_user_says_so():
    column = Column("key", [["C major", "A minor"], ["G major"], ["D minor"]])
    with pytest.raises(
        DataError, match=r"\['C major', 'A minor'\] is a list of keys; write one a clip, or say --kind tags"
    ):
        recognise(column)
    assert recognise(column, "tags").faults == {}


def test_two_names_of_one_key_are_not_two_classes_until_the_user_says_so():
    column = Column("tonality", ["F#m", "C", "Gbm", "Am"] * 4)
    with pytest.raises(DataError, match="'F#m' and 'Gbm' are one key; say --kind key, or --kind classes"):
        recognise(column)
    assert len(recognise(column, "classes").faults) == 0
    # Letters are grades as well, and one odd name among others is no key.
    assert recognise(Column("grade", ["A", "B", "C"] * 4)).kind.name == "classes"
    assert recognise(Column("word", ["F#m", "Gbm", "rock", "jazz"] * 4)).kind.name == "classes"


@pytest.mark.parametrize("form", ["{step} - {key}", "{key} / {step}", "{step} ({key})", "{key}|{step}", "{step} {key}"])
def test_a_step_of_the_wheel_may_stand_beside_the_key(form):
    """Programs of DJs write both into one tag."""
    pairs = [("8A", "Am"), ("08B", "C"), ("3A", "Bbm"), ("1d", "C major"), ("12m", "D minor"), ("1A", "G# minor")]
    for wheel in ("AB", "md"):
        cells = [form.format(step=step, key=key) for step, key in pairs if step[-1] in wheel]
        recognised = recognise(Column("initialkey", cells))
        assert (recognised.kind.name, recognised.faults) == ("key", {})
        expected = [key_name(key) for step, key in pairs if step[-1] in wheel]
        assert [KEY_NAMES[value] for value in recognised.kind.read(Column("initialkey", cells)).values] == expected


def test_what_stands_beside_a_step_of_the_wheel_is_held_against_it():
    cells = ["8A - Am", "8B - C", "9A - Em", "8A - Energy 6", "9A - Am", "8A / 1m / Am"]
    assert recognise(Column("camelot", cells)).faults == {
        3: "'8A - Energy 6': 8A is A minor, and what stands beside it not",
        4: "'9A - Am': 9A is E minor, and what stands beside it not",
    }
    with pytest.raises(DataError, match="6 of 6 cells are no major or minor keys, such as '8A - Energy 6'"):
        recognise(Column("key", ["8A - Energy 6", "9A - Energy 5"] * 3))


@pytest.mark.parametrize("form", ["{key} - {step} - 128", "{key} - 128", "128 | {key}"])
def test_a_key_among_other_things_is_asked_about(form):
    cells = [form.format(key=key, step=step) for key, step in (("Am", "8A"), ("F#m", "11A"), ("Gb", "2B"))]
    with pytest.raises(DataError, match="3 of 3 cells are no major or minor keys"):
        recognise(Column("key", cells))
    assert recognise(Column("key", ["page up - A", "shift - B", "alt - C"])).kind.name == "classes"
