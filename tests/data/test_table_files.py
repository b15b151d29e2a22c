"""Tables are read as they were meant, or refused with the row and what it looks like."""

import json

import pytest
from written_tables import write_csv

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError


@pytest.fixture
def place(tmp_path):
    for number, name in enumerate("abc"):
        write_tone(tmp_path / f"{name}.wav", 300 + 50 * number)
    return tmp_path


def labels(path, column="label"):
    return Dataset.load(path).clips[column].tolist()


@pytest.mark.parametrize(
    ("lines", "column", "cells"),
    [
        (["path;tempo", "a.wav;98,5", "b.wav;120"], "tempo", [98.5, 120]),
        (["sep=;", "path;label", "a.wav;x,y", "b.wav;z"], "label", ["x,y", "z"]),
        (['"sep=;"', "path;label", "a.wav;x", "b.wav;z"], "label", ["x", "z"]),
        (["path, label", 'a.wav, "x, y"', "b.wav , z"], "label", ["x, y", "z"]),
        (['"path"\t"label"', '"a.wav"\t"x, y"', '"b.wav"\t"z"'], "label", ["x, y", "z"]),
        (['"path";"label"', '"a.wav";"x"', '"b.wav";"y;z"'], "label", ["x", "y;z"]),
        (["Path,Label", "a.wav,x", "b.wav,y"], "Label", ["x", "y"]),
        ([",path,label", "0,a.wav,x", "1,b.wav,y"], "label", ["x", "y"]),
        (["path,label,", "a.wav,x,", ",,", "b.wav,y,"], "label", ["x", "y"]),
        (["file_name,label", "a.wav,x", "b.wav,y"], "label", ["x", "y"]),
        (["path,tags", "a.wav,\"['x', 'y']\"", 'b.wav,"[""z""]"'], "tags", [["x", "y"], ["z"]]),
    ],
)  # fmt: skip
def test_tables_as_programs_write_them_are_read(place, lines, column, cells):
    assert labels(write_csv(place / "t.csv", *lines), column) == cells


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_are_read(place, encoding):
    (place / "t.csv").write_text("path,label\na.wav,café\n", encoding=encoding)
    assert labels(place / "t.csv") == ["café"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["path,label,label", "a.wav,x,y"], "row 1: 'label' is the name of columns 2 and 3"),
        (["path,label", "a.wav,x,1", "b.wav,y,2"], "row 2: 3 fields, .*names 2.*2 of 2 rows: the header lacks"),
        (["path,tempo", "a.wav,100", "b.wav,1,5"], "row 3: 3 fields, .*1 of 2 rows: a cell that holds ',' stands"),
        (["a.wav,x", "b.wav,y"], "its first row, a.wav,x, is a clip already; write the names of the columns above it"),
        (["path,label", "a.wav,x", "path,label", "b.wav,y"], "row 3: the header stands here again"),
        (["path,,label", "a.wav,1,x"], "row 2: column 2 has a cell but no name"),
        (["path,label", "a.wav,x", '"b.wav,y', "c.wav,z"], "row 3: not readable as a table"),
        (["name;label", "a.wav;x"], r"found: name, label\); call the column with the files 'path' \(it looks like 'n"),
        (['"tag one"\t"mp3_path"', '"0"\t"a.wav"'], r"found: tag one, mp3_path\); .*it looks like 'mp3_path'"),
        (["My songs;;", ";;", "path;label;", "a.wav;x;"], "the names of columns stand in row 3: take out what"),
        (['"path,label"', '"a.wav,x"'], "its first row, .*, is one cell in quotes; take away the quotes"),
        (["path,label", '"a.wav,x"', '"b.wav,y"'], "row 2: one field, .*; it is one cell in quotes: take away"),
        (["#\tTitle\tLocation", "1\tx\ta.wav"], r"found: #, Title, Location\); .*it looks like 'Location'"),
        (["# path,label", "a.wav,x"], "its header begins with '#', # path,label; take that sign out"),
        (["path\ttags", "a.wav\tx", "b.wav\tx\ty"], r"row 3: .* that holds tabs stands in quotes, and of several tags"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_the_row_and_the_way_out(place, lines, words):
    with pytest.raises(DataError, match=words):
        Dataset.load(write_csv(place / "t.csv", *lines))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "path,label\na.wav,caf\u00e9\n".encode("latin-1"),
            "line 2: byte 0xe9 is not UTF-8; the file looks like Latin-1",
        ),
        ("path,label\na.wav,x\n".encode("utf-16-le"), "UTF-16 without a mark"),
        (b"\x00\x01\x02\x03", "not text"),
        (b"path,label\na.wav,ro\0k\n" + 9 * b"b.wav,pop\n", "line 2: holds a zero byte, which no text does"),
    ],
)
def test_other_encodings_are_named(place, content, words):
    (place / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        Dataset.load(place / "t.csv")


def test_rows_are_those_of_the_file(place):
    """Blank lines and line breaks inside quotes are counted, as an editor counts them."""
    lines = ["path,note,start", "", 'a.wav,"two', 'lines",0', "", "b.wav,one,late"]
    with pytest.raises(DataError, match=r"t\.csv row 6: 'start' late is not a time"):
        Dataset.load(write_csv(place / "t.csv", *lines))
    (place / "t.jsonl").write_text('\n{"path": "a.wav"}\n\n{"path": "b.wav", "start": "late"}\n')
    with pytest.raises(DataError, match=r"t\.jsonl line 4: 'start' late is not a time"):
        Dataset.load(place / "t.jsonl")


def test_a_separator_of_lines_may_stand_inside_a_json_string(place):
    row = {"path": "a.wav", "label": "x\u2028y\u0085z"}
    (place / "t.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert labels(place / "t.jsonl") == ["x\u2028y\u0085z"]


def test_labels_of_json_are_shown_as_they_are_written(place):
    rows = [{"path": "a.wav", "label": 1}, {"path": "b.wav", "label": "1"}, {"path": "c.wav", "label": True}]
    (place / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert Dataset.load(place / "t.jsonl").labels("label").names == ("1", "true")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"path": "a.wav", "label": ' + "[" * 100_000 + "}", "line 1: not readable, its lists are nested too deeply"),
        ('{"path": "a.wav", "label": "x", "label": "y"}', r"line 1: not JSON \('label' is there twice\)"),
        ('{"path": {"bytes": "a"}}', "line 1: 'path' .* is no text"),
        ('{"path": "a.wav", "start": ' + "9" * 400 + "}", "line 1: 'start' 9+… is not a time"),
    ],
)
def test_an_object_that_cannot_be_used_is_named(place, line, words):
    (place / "t.jsonl").write_text(line)
    with pytest.raises(DataError, match=words):
        Dataset.load(place / "t.jsonl")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "path|label\na.wav|x\n", r"its fields look parted by '\|'; part them by commas"),
        ("t.csv", "path   label\na.wav  x\n", "its fields look parted by blanks"),
        ("t.csv", "# made by hand\npath,label\na.wav,x\n", "it begins with a comment, # made by hand; take it out"),
        ("t.jsonl", '[{"path": "a.wav", "label": "x"}]', "the file looks like one array of JSON"),
        ("t.jsonl", '[\n  {"path": "a.wav", "label": "x"}\n]', "the file looks like one array of JSON"),
        ("t.jsonl", '{\n  "path": "a.wav",\n  "label": "x"\n}', "the file looks like JSON over several lines"),
        ("t.jsonl", "path,label\na.wav,x\n", "the file looks like a table: call it .csv"),
    ],
)
def test_a_table_in_another_form_is_told_what_it_looks_like(place, name, text, words):
    (place / name).write_text(text)
    with pytest.raises(DataError, match=words):
        Dataset.load(place / name)


@pytest.mark.parametrize("header", ["path,label", "path,label,mood"])
@pytest.mark.parametrize(("opening", "closing"), ["''", "“”", "„“", "``"])
def test_cells_in_other_quotes_that_were_parted_are_refused_with_what_quotes_them(tmp_path, header, opening, closing):
    write_tone(tmp_path / "a.wav", 300)
    table = write_csv(tmp_path / "clips.csv", header, f"a.wav,{opening}sad, slow{closing}")
    closing = "”" if closing == "“" else closing
    with pytest.raises(DataError, match=r"row 2: .sad, slow. looks like one cell that was parted.*quotes by \"…\""):
        Dataset.load(table)


def test_apostrophes_in_a_few_rows_part_nothing(tmp_path):
    rows = [f"{number}.wav,x,y" for number in range(11)] + ["11.wav,'Til Tuesday,Talkin'"]
    for number in range(12):
        write_tone(tmp_path / f"{number}.wav", 300, seconds=0.05)
    clips = Dataset.load(write_csv(tmp_path / "clips.csv", "path,artist,title", *rows)).clips
    assert clips.artist[11] == "'Til Tuesday"


def test_a_header_and_paths_in_other_quotes_are_told_so(tmp_path):
    write_tone(tmp_path / "a.wav", 300)
    with pytest.raises(DataError, match=r"its fields stand in other quotes \('path', 'label'\); a table quotes by"):
        Dataset.load(write_csv(tmp_path / "clips.csv", "'path','label'", "'a.wav','x'"))
    with pytest.raises(DataError, match=r"'a.wav' does not exist .*it stands in quotes: take them away"):
        Dataset.load(write_csv(tmp_path / "clips.csv", "path,label", "'a.wav','x'"))


def test_decimal_commas_that_parted_numbers_are_among_the_reasons_for_too_many_fields(tmp_path):
    table = write_csv(tmp_path / "clips.csv", "path,start,label", "a.wav,0,5,x")
    with pytest.raises(DataError, match="the header lacks a name, or a number with a decimal comma, which"):
        Dataset.load(table)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\3\4" + bytes(30), "is an Excel workbook or an archive; save the table as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(30), "is an Excel workbook"),
        (b"\x1f\x8b\x08" + bytes(30), r"is compressed \(gzip\); unpack it"),
        (b"PAR1" + bytes(30), "is a Parquet file; save the table as CSV or JSON lines"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, not the table itself"),
        (b"\n<!DOCTYPE html><html>", "is a web page, not a table; download the file again"),
    ],
)
def test_what_is_no_table_is_called_what_it_is(tmp_path, ending, content, words):
    (tmp_path / f"t.{ending}").write_bytes(content)
    with pytest.raises(DataError, match=rf"t\.{ending}: {words}"):
        Dataset.load(tmp_path / f"t.{ending}")
