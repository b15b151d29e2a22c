"""What cells say is decided by column: names as written, numbers where most are measured, odd cells by name."""

import numpy as np
import pandas as pd
import pytest

from layerscope.data.label_cells import Odd, number_of, settle_column, tidy_cell
from layerscope.errors import DataError


def settled(cells, *, typed=False):
    places = [f"t.csv row {number}" for number in range(2, len(cells) + 2)]
    return settle_column("x", [tidy_cell(cell, "t.csv") for cell in cells], places, typed=typed)


TEMPI = [f"{60 + number}.5" for number in range(40)]


@pytest.mark.parametrize(
    ("cells", "typed", "read"),
    [
        (["01", "001", "1"], False, ["01", "001", "1"]),
        (["1", "10", "9"], False, [1, 10, 9]),
        (["1", None, "2"], False, [1, None, 2]),
        (["1.0", "2.0"], False, ["1.0", "2.0"]),
        ([1, "1", 2], True, ["1", "1", "2"]),
        ([1, 1.0, 2], True, [1, 1, 2]),
        ([1, 1.0, 2.5, "rock", "jazz", "pop", "soul"], True, ["1", "1", "2.5", "rock", "jazz", "pop", "soul"]),
        ([b"rock", b"caf\xc3\xa9"], True, ["rock", "café"]),
        (["true", 1], True, ["true", "1"]),
        ([f"{number:03}" for number in range(30)], False, [f"{number:03}" for number in range(30)]),
        (["−1,5", "2,25", "3"], False, [-1.5, 2.25, 3]),
        (["9" * 400, "rock"], False, ["9" * 400, "rock"]),
        ([10**400, "rock"], True, [str(10**400), "rock"]),
        (["['a', 'b']", "[]"], False, [["a", "b"], []]),
        (['["a"]', "('b', 'c')"], False, [["a"], ["b", "c"]]),
        (["[intro]", "[verse]"], False, ["[intro]", "[verse]"]),
        (["NA", "rock", "null"], False, ["NA", "rock", "null"]),
        (["nan", float("nan"), pd.NA, pd.NaT, "", "rock"], True, [None] * 5 + ["rock"]),
        (["café", "cafe\u0301", " café "], False, ["café"] * 3),
        ([np.int64(3), np.float32(0.5), np.array([1, 2])][:2], True, [3, 0.5]),
        (["0.5", "1.5"], True, [0.5, 1.5]),
        ([str(number) for number in range(100, 130)], True, [str(number) for number in range(100, 130)]),
    ],
)  # fmt: skip
def test_cells_are_read_by_their_column(cells, typed, read):
    result = settled(cells, typed=typed)
    assert result == read
    assert list(map(type, result)) == list(map(type, read))


@pytest.mark.parametrize("odd", ["n/a", "1,5", "?", "fast"])
def test_one_odd_cell_among_numbers_is_set_aside_with_its_row(odd):
    cells = settled([*TEMPI, odd])
    assert cells[:40] == [float(text) for text in TEMPI]
    assert cells[40] == Odd(odd, f"t.csv row 42: 'x' {odd} is no number, as 40 of 41 cells are")


def test_an_odd_cell_among_few_whole_numbers_is_a_class_unless_it_says_that_nothing_was_measured():
    assert settled(["1", "2", "other"]) == ["1", "2", "other"]
    cells = settled(["1", "2", "n/a"])
    assert (cells[:2], cells[2].reason) == ([1, 2], "t.csv row 4: 'x' n/a is no number, as 2 of 3 cells are")


def test_many_odd_cells_refuse_the_column_and_most_make_names_of_it():
    assert "t.csv row 42: 'x' fast is no number; so in 10 of 50 rows" in settled([*TEMPI, *["fast"] * 10])[40].refusal
    assert settled([*TEMPI, *["fast"] * 50])[40] == "fast"
    # What was not measured is no evidence against numbers.
    assert not settled([*TEMPI, *["n/a"] * 30])[40].refusal


@pytest.mark.parametrize("cell", ["['a' 'b']", "[0.1 0.2 0.3]"])
def test_an_array_as_numpy_prints_it_is_never_one_name(cell):
    assert "is no list with commas between its items" in settled([cell, "['a', 'b']"])[0].reason


def test_half_a_character_is_refused():
    with pytest.raises(DataError, match=r"row 2: '.*ud800' holds half a character"):
        tidy_cell("\ud800", "row 2")


@pytest.mark.parametrize(
    ("cell", "number"), [("1_000", None), ("٣", None), ("inf", None), (".5", 0.5), ("9" * 400, None)]
)
def test_only_plain_finite_numbers_are_numbers(cell, number):
    assert number_of(cell) == number


def test_a_comma_that_may_part_thousands_is_not_guessed():
    assert "t.csv row 2: 'x' 1,234 is no number; so in 2 of 2 rows" in settled(["1,234", "2,500"])[0].refusal


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf"), 10**400])
def test_a_list_with_a_hole_is_set_aside(hole):
    cells = settled(
        [[0.5, 1.0]] * 10 + [[0.5, hole], {"beat": [hole], "tempo": None}, {"beat": [1], "tempo": None}], typed=True
    )
    assert [isinstance(cell, Odd) for cell in cells] == [False] * 10 + [True, True, False]


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["array(['a', 'b'])", "array(['b'], dtype=object)"], [["a", "b"], ["b"]]),
        (["np.array([0.5, 1.5])", "array([1, 2])"], [[0.5, 1.5], [1, 2]]),
        (["{'b', 'a'}", "set()", "frozenset({'a'})"], [["a", "b"], [], ["a"]]),
        (["('a', 'b')", "('a',)", "()"], [["a", "b"], ["a"], []]),
        (["rock", "jazz", "[]", "set()", "rock"], ["rock", "jazz", None, None, "rock"]),
        (["1.5", "2.5", "None", "none"], [1.5, 2.5]),
    ],
)
def test_what_python_writes_is_read(cells, read):
    assert [cell for cell in settled(cells) if not isinstance(cell, Odd)] == read


@pytest.mark.parametrize("odd", ["['rock', 'pop']", '{"genre": "rock"}', "['rock' 'pop']"])
def test_one_list_among_names_is_the_odd_one(odd):
    *names, last = settled(["rock", "jazz"] * 20 + [odd])
    assert names == ["rock", "jazz"] * 20
    assert isinstance(last, Odd)
    assert last.reason.startswith("t.csv row 42: 'x' ")
    assert last.refusal == ""


def test_one_name_among_lists_is_the_odd_one():
    *lists, last = settled(["['rock', 'pop']"] * 20 + ["rock"])
    assert lists == [["rock", "pop"]] * 20
    assert isinstance(last, Odd)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(DataError, match=r"row 2: b'\\xff' are bytes that are not UTF-8"):
        tidy_cell(b"\xff", "row 2")
