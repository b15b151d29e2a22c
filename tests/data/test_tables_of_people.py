"""Tables as people and programs leave them: what they say of rows, groups and names is understood, or told in words."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from layerscope.data.dataset import Dataset
from layerscope.data.leaks import remark_on_groups
from layerscope.errors import DataError
from layerscope.targets import Column, recognise


@pytest.fixture
def place(tmp_path):
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", np.full(800, 0.1 * number), 8000)
    return tmp_path


def load(place, text, name="songs.csv"):
    (place / name).write_text(text)
    return Dataset.load(place / name)


@pytest.mark.parametrize("header", ["File Name", "file-name", "AUDIO PATH", "\ufeff\ufeffpath"])
def test_paths_have_other_spellings(place, header):
    assert load(place, f"{header},label\n0.wav,a\n1.wav,b\n").clips.label.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\n0.wav;a\n1.wav;b\n", r"row 2: one field, but the header names 2 .* look parted by ';'"),
        ("path\tlabel\n0.wav    a\n1.wav    b\n", "look parted by blanks"),
        ("My songs,\npath,label\n0.wav,a\n", "the names of columns stand in row 2: take out what is above"),
        ('{"path": "0.wav", "label": "a"}\n', r"looks like JSON lines; call it \.jsonl"),
    ],
)
def test_what_a_table_looks_like_is_said(place, text, words):
    with pytest.raises(DataError, match=words):
        load(place, text)


def test_a_column_with_a_blank_in_its_name_is_not_said_to_be_parted_there(place):
    with pytest.raises(DataError, match=r"found: Selection, Begin File, Species\); .*it looks like 'Begin File'"):
        load(place, "Selection\tBegin File\tSpecies\n1\t0.wav\ta\n2\t1.wav\tb\n", "all.tsv")


def test_a_frame_whose_index_is_the_paths_is_told_so(place):
    frame = pd.DataFrame({"label": ["a", "b"]}, index=pd.Index(["0.wav", "1.wav"], name="path"))
    with pytest.raises(DataError, match=r"its index is: give frame\.reset_index\(\)"):
        Dataset.from_dataframe(frame, root=place)


def test_every_row_whose_file_is_not_there_has_a_line(place):
    dataset = load(place, "path,label\n0.wav,a\n1.wav,b\n9.wav,a\n9.wav,b\n")
    assert list(dataset.skipped) == ["9.wav", "9.wav (row 5)"]


def test_a_group_that_is_a_list_is_refused_in_a_table_too(place):
    with pytest.raises(DataError, match=r"'group' \['x', 'y'\] is no one name"):
        load(place, "path,label,group\n0.wav,a,\"['x', 'y']\"\n1.wav,b,\"['x']\"\n")


def test_groups_of_several_and_columns_that_look_like_groups_are_named():
    clips = pd.DataFrame({"clip": list("abc"), "group": ["Queen", "Queen; Bowie", "Earth, Wind & Fire"]})
    assert remark_on_groups(clips) == (
        "group 'Queen; Bowie' looks like several, which are apart: write one, such as the first"
    )
    clips = pd.DataFrame({"clip": list("abc"), "artist_id": ["x", "x", "y"], "label": ["a", "b", "a"]})
    assert "no 'group': if clips of one 'artist_id' must not" in remark_on_groups(clips, "label")
    assert remark_on_groups(clips, "artist_id") == remark_on_groups(clips.assign(group=["x", "y", "z"])) == ""
    tagged = pd.DataFrame({"clip": list("abc"), "singer": ["0", "1", "1"], "duet": ["0", "0", "1"]})
    assert remark_on_groups(tagged, "duet") == ""


@pytest.mark.parametrize("sign", ["，", "、", " · ", "\\", "::", " & ", "；"])
def test_names_with_other_signs_between_are_not_taken_for_one(sign):
    cells = [f"rock{sign}pop", "rock", "pop"] * 4
    with pytest.raises(DataError, match="looks like several names, and so do 4 of 12 cells"):
        recognise(Column("style", cells))


def test_names_of_nothing_damaged_ones_and_missing_numbers_are_said():
    evidence = recognise(Column("style", ["café", "cafÃ©", "caf\ufffd", "unknown"] * 3)).evidence
    assert "'unknown' (3) taken as a name" in evidence
    assert "'caf\ufffd' (3) holds a letter that was lost; write it anew" in evidence
    assert "taken as different: 'café' (3), 'cafÃ©' (3)" in evidence
    tempi = recognise(Column("tempo", [80.5 + number for number in range(30)] + [0.0, 0.0])).evidence
    assert "0 in 2 of 32 numbers may stand for nothing" in tempi
    assert "nothing" not in recognise(Column("rating", [number / 2 for number in range(30)] + [0.0, 0.0])).evidence
