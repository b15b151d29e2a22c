"""Names that may be one are said, and those that are not are left alone."""

import pytest

from layerscope.targets.label_names import remark_on_names, spelt_alike


@pytest.mark.parametrize(
    "names",
    [
        ["Rock", "rock", "ROCK"],
        ["hard rock", "hard\u00a0rock", "Hard-Rock", "hard–rock"],
        ["rock", "rock\u200b", "ｒｏｃｋ"],
        ["R&B", "R & B", "R&amp;B"],
        ["drum'n'bass", "drum’n’bass", "drum`n`bass"],
        ["True", "yes", "1", "T"],
        ["no", "FALSE", "0"],
        ["guitar", "guit\N{CYRILLIC SMALL LETTER A}r", "\N{FULLWIDTH LATIN SMALL LETTER G}uitar", "gui\u200btar"],
        ["Bach", "\N{GREEK CAPITAL LETTER BETA}ach", "\N{CYRILLIC CAPITAL LETTER VE}ach", "bach\u3164", "ba\ufe0fch"],
        ["Моцарт", "МОЦАРТ"],
    ],
)
def test_spellings_of_one_name_are_put_together(names):
    assert spelt_alike(names) == [names]


@pytest.mark.parametrize(
    "names",
    [
        ["C", "C#", "Cb"],
        ["3/4", "34", "4/3"],
        ["0", "1"],
        ["yes", "no"],
        ["y", "true story", "1"],
        ["AC/DC", "R&B", "R"],
        ["бас", "bass", "гитара", "guitar"],
        ["ё", "е", "é", "i"],
    ],
)
def test_other_names_are_left_alone(names):
    assert spelt_alike(names) == []


def test_what_a_spreadsheet_writes_where_a_formula_fails_is_told():
    assert remark_on_names({"rock": 3, "#REF!": 2}).startswith("'#REF!' (2) taken as a name: leave cells")
