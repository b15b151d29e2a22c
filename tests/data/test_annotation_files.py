"""Files of annotations are read where a cell names them or beside the audio; what is not there is named."""

import json

import jams
import numpy as np
import pandas as pd
import pytest
import soundfile

from layerscope import Dataset
from layerscope.data.annotation_files import names_file, read_annotation, read_rows
from layerscope.errors import DataError

CHORDS = "0.000 2.000 C:maj\n2.000\t4.000\tAm7\n"


@pytest.fixture
def songs(tmp_path):
    for name in "abcd":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(4 * 8_000), 8_000)
    return tmp_path


def write_jams(path, *annotations):
    """Annotations as namespace and observations."""
    made = jams.JAMS()
    made.file_metadata.duration = 4.0
    for namespace, observations in annotations:
        annotation = jams.Annotation(namespace=namespace, duration=4.0)
        for time, duration, value in observations:
            annotation.append(time=time, duration=duration, value=value, confidence=1.0)
        made.annotations.append(annotation)
    made.save(str(path), strict=False)


def test_cells_name_files_beside_the_table(songs):
    (songs / "labels").mkdir()
    for name in "abc":
        (songs / "labels" / f"{name}.lab").write_text(CHORDS)
    rows = "".join(f"{name}.wav,labels/{name}.lab\n" for name in "abcd")
    (songs / "songs.csv").write_text(f"path,chords\n{rows}")
    dataset = Dataset.load(songs / "songs.csv").survey().with_target("chords")
    labels = dataset.labels("chords")
    assert labels.kind.name == "chords"
    assert labels.values[0].labels == ("C:maj", "A:min7")
    assert dataset.skipped["d.wav"].startswith("'chords': 'labels/d.lab' does not exist (looked in ")
    assert dataset.evidence["chords"] == "chords: 3 of 3 cells"


def test_files_lie_beside_the_audio(songs):
    for name in "abc":
        (songs / f"{name}.beats").write_text("0.5 1\n1.0 2\n1.5 3\n2.0 1\n")
    (songs / "songs.csv").write_text("path,group\n" + "".join(f"{name}.wav,{name}\n" for name in "abcd"))
    dataset = Dataset.load(songs / "songs.csv").with_target("beats")
    labels = dataset.labels("beats")
    assert labels.values[0].downbeats.tolist() == [0.5, 2.0]
    assert dataset.skipped == {"d.wav": "no label in 'beats'"}


def test_a_jams_says_what_its_target_asks(songs):
    write_jams(
        songs / "a.jams",
        ("beat", [(0.5, 0.0, 1), (1.0, 0.0, 2), (1.5, 0.0, 1)]),
        ("chord", [(0.0, 2.0, "C:maj"), (2.0, 2.0, "G:7")]),
        ("key_mode", [(0.0, 4.0, "Eb:minor")]),
        ("segment_open", [(0.0, 4.0, "verse")]),
        ("tag_open", [(0.0, 4.0, "slow"), (0.0, 4.0, "sad")]),
        ("tempo", [(0.0, 4.0, 120.0)]),
    )
    path = songs / "a.jams"
    assert read_annotation(path, "chords") == [[0.0, 2.0, "C:maj"], [2.0, 4.0, "G:7"]]
    assert read_annotation(path, "annotation", "beats") == [[0.5, 1], [1.0, 2], [1.5, 1]]
    assert read_annotation(path, "key") == "Eb:minor"
    assert read_annotation(path, "sections") == [[0.0, 4.0, "verse"]]
    assert read_annotation(path, "tag_open") == ["slow", "sad"]
    assert read_annotation(path, "tempo") == 120.0
    with pytest.raises(DataError, match=r"a\.jams: no annotation of 'loudness' \(it has beat, chord, key_mode"):
        read_annotation(path, "loudness")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"annotations": 3}', "null"])
def test_a_jams_that_is_none_is_named(songs, text):
    (songs / "a.jams").write_text(text)
    with pytest.raises(DataError, match=r"a\.jams: "):
        read_annotation(songs / "a.jams", "chords")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (" 0.0  1.5   C:maj \n\n# a comment\n1.5 3.0 verse 2\n", [[0.0, 1.5, "C:maj"], [1.5, 3.0, "verse 2"]]),
        ("0.5\n1.0\n", [0.5, 1.0]),
        ("\ufeff0.5\t1\r\n1.0\t2\r\n".lstrip("\ufeff"), [[0.5, 1.0], [1.0, 2.0]]),
        ("F# minor\n", "F# minor"),
    ],
)
def test_lines_are_rows(text, rows):
    assert read_rows(text) == rows


@pytest.mark.parametrize("text", ["", "0.0 1.5\n1.5\n", "0.0 Silence\n0.5 verse\n", "a\nb\n", "0.0 x y\n"])
def test_lines_that_are_none_set_the_clip_aside(songs, text):
    for name in "abc":
        (songs / f"{name}.lab").write_text(CHORDS if name != "b" else text)
    lines = [json.dumps({"path": f"{name}.wav", "chords": f"{name}.lab"}) for name in "abc"]
    (songs / "songs.jsonl").write_text("\n".join(lines))
    dataset = Dataset.load(songs / "songs.jsonl").with_target("chords")
    assert list(dataset.skipped) == ["b.wav"]
    assert "'chords': " in dataset.skipped["b.wav"]


def test_names_of_files():
    assert names_file("x/Song.LAB")
    assert not names_file("rock")
    with pytest.raises(DataError, match="is no file name"):
        Dataset("x", table_of("a" * 300 + ".lab")).with_target("chords")


def table_of(cell):
    return pd.DataFrame({"clip": ["a"], "path": ["a.wav"], "start": 0.0, "end": np.nan, "chords": [cell]})


def test_numbers_with_underscores_are_none():
    with pytest.raises(ValueError, match="1_5"):
        read_rows("0.5\n1_5\n")
