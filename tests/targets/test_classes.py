"""Classes: how names are read."""

import pytest

from layerscope.errors import DataError
from layerscope.targets import Column, labels_of, recognise


def test_strings_are_classes_in_alphabetical_order():
    labels = labels_of(["rock", "blues", "rock"])
    assert (labels.kind.name, labels.names) == ("classes", ("blues", "rock"))
    assert labels.values.tolist() == [1, 0, 1]


def test_few_whole_numbers_are_classes_in_numerical_order():
    labels = labels_of([10, 9, 2])
    assert (labels.kind.name, labels.names, labels.values.tolist()) == ("classes", ("2", "9", "10"), [2, 1, 0])


def test_a_list_is_no_name():
    with pytest.raises(DataError, match="is a list; a class is one name"):
        labels_of([["a"], ["b"]], "classes")


@pytest.mark.parametrize("notation", ["{} bpm", "{}%", "2024-01-{}"])
def test_names_most_of_which_occur_once_are_no_classes_unless_somebody_says_so(notation):
    cells = [notation.format(number) for number in (*range(10, 48), 10, 11)]
    with pytest.raises(DataError, match=r"'tempo': 36 of 38 labels occur once, such as .*12.* --kind classes"):
        recognise(Column("tempo", cells))
    assert recognise(Column("tempo", cells), "classes").kind.name == "classes"


@pytest.mark.parametrize("notation", ["1 0{}", "1'0{}", "1,0{}.5", "0.{};0.5", "0.{} 0.5 1.0"])
def test_texts_of_several_numbers_are_no_classes_unless_somebody_says_so(notation):
    column = Column("tempo", [notation.format(number) for number in range(10, 14)] * 10)
    with pytest.raises(DataError, match="looks like several numbers, or like one whose thousands are parted"):
        recognise(column)
    assert recognise(column, "classes").evidence == "classes: 40 of 40 cells"


@pytest.mark.parametrize("cells", [
    ["rock, pop", "pop", "jazz, rock", "jazz"], ["a;b", "b", "a;c", "c"], ["a/b", "a", "b"], ["a\nb", "a", "b"],
    ["a+b", "a", "b"], ["[a, b]", "[b]"], ["{a, b}", "a"], ['"a","b"', "a"], ["#rock #pop", "#jazz"],
])  # fmt: skip
def test_cells_of_several_names_are_no_classes_unless_somebody_says_so(cells):
    column = Column("label", cells * 6)
    with pytest.raises(DataError, match=r"looks like several names, and so do .* write tags with \| between them"):
        recognise(column)
    assert recognise(column, "classes").kind.name == "classes"


@pytest.mark.parametrize("cells", [
    ["3/4", "4/4", "6/8", "2/4"], ["Bach, J. S.", "Bach, C. P. E.", "Bach, W. F."], ["Earth, Wind & Fire", "AC/DC"],
    ["C+", "C", "A+"], ["drum and bass", "bass"], ["[live]", "[studio]"],
])  # fmt: skip
def test_names_with_signs_in_them_are_names(cells):
    assert recognise(Column("label", cells * 6)).evidence.startswith(f"classes: {6 * len(cells)} of")


@pytest.mark.parametrize("cell", [
    "np.float64(1.5)", "np.str_('a')", "b'rock'", "Decimal('1.5')", "Timestamp('2020-01-01')", "<Genre.ROCK: 1>",
    "OrderedDict([('a', 1)])", "<object object at 0x7f8921e113c0>", "range(0, 3)", "tensor(1, device='cpu')",
])  # fmt: skip
def test_what_python_prints_of_a_value_is_no_class_unless_somebody_says_so(cell):
    column = Column("label", [cell, "rock", cell, "pop"] * 4)
    with pytest.raises(DataError, match="is how Python prints a value, and so are 8 of 16 cells; write the value"):
        recognise(column)
    assert recognise(column, "classes").kind.name == "classes"
    assert recognise(Column("label", ["Rock (live)", "Op. 1 (1908)", "f(x)", "b"] * 4)).kind.name == "classes"


def test_tags_that_are_measurements_in_quotes_are_doubted():
    with pytest.raises(DataError, match=r"its names are numbers, such as '1.0'; write them without quotes"):
        recognise(Column("x", [["1.0"], ["1.0", "1.0"]]))
    assert recognise(Column("x", [["1"], ["1", "2"]])).kind.name == "tags"


def test_one_cell_of_several_names_is_set_aside():
    recognised = recognise(Column("label", ["rock", "pop"] * 20 + ["rock, pop"]))
    assert recognised.faults == {40: "'rock, pop' is several names; a class is one name"}


def test_names_that_may_be_one_or_none_are_said():
    cells = ["Rock"] * 5 + ["rock"] * 4 + ["jazz"] * 6 + ["None"] * 2 + ["ro\u200bck"]
    assert recognise(Column("label", cells)).evidence == (
        "classes: 18 of 18 cells; 'None' (2) taken as a name: leave cells without a label empty; "
        "taken as different: 'Rock' (5), 'rock' (4), 'ro\u200bck'"
    )
    tags = recognise(Column("label", [["Rock", "a"], ["rock"]]))
    assert tags.evidence == "tags: 2 of 2 cells; taken as different: 'Rock', 'rock'"


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("genre", ["rock"] * 50 + ["jazz"] * 40 + ["Rock", "jaz", "rok"], "classes"),
        ("title", list("abcdefghij"), "classes"),
        ("key", ["C", "G", "D", "A", "E", "B", "F", "Bb", "Eb", "Ab", "Db", "Gb"], "key"),
    ],
)
def test_few_names_that_occur_once_are_no_reason_to_doubt(name, cells, kind):
    assert recognise(Column(name, cells)).kind.name == kind


def test_whole_numbers_that_are_no_codes_are_named_with_how_often_each_occurs():
    evidence = recognise(Column("loudness", [0] * 99 + [1_000_000])).evidence
    assert evidence == (
        "classes: 100 of 100 cells; numbers taken as names: '0' (99), '1000000'; if they measure something, "
        "say --kind values"
    )
    assert "--kind values" in recognise(Column("loudness", ["0", "1e6"] * 9)).evidence
    assert recognise(Column("code", [0, 1, 2] * 9)).evidence == "classes: 27 of 27 cells"


def test_names_that_are_numbers_with_a_unit_are_named():
    evidence = recognise(Column("tempo", ["60 bpm", "90 bpm"] * 9)).evidence
    assert evidence.endswith(
        "names that look like numbers with a unit: '60 bpm' (9), '90 bpm' (9); if so, write plain numbers"
    )
    assert recognise(Column("place", ["1st", "2nd"] * 9)).evidence == "classes: 18 of 18 cells"


@pytest.mark.parametrize("cell", ["0 1 C;1 2 G", "0.0, 1.5, verse", "[0 1.5 C:maj]", "(0.0, 2, N)"])
def test_spans_written_as_text_are_no_names(cell):
    with pytest.raises(DataError, match=r"looks like spans of time; write \[\[start, end, name\], …\], or say"):
        recognise(Column("harmony", [cell, cell, "x"]))
    assert recognise(Column("harmony", ["1999 remaster", "4/4", "120 bpm", "2 step"])).kind.name == "classes"
