"""Files of annotations are read where a cell names them or beside the audio; what is not there is named."""

import json
import re

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


def test_files_beside_audio_in_no_class_folder_say_what_a_label_is(songs):
    """Without a target named, and with the names of the files taken for no classes."""
    for name in "abcd":
        (songs / f"{name}.beats").write_text("0.5 1\n1.0 2\n1.5 3\n2.0 1\n")
    dataset = Dataset.load(songs).with_target("label")
    assert dataset.labels("label").kind.name == "beats"
    for name in "abcd":
        (songs / f"{name}.beats").unlink()
        (songs / f"{name}.txt").write_text("happy" if name in "ab" else "sad")
    assert Dataset.load(songs).with_target("label").labels("label").names == ("happy", "sad")


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
    with pytest.raises(DataError, match="line 2: '1_5' is no number"):
        read_rows("0.5\n1_5\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "b.lab: the file is empty"),
        (b"# nothing\n\n", "b.lab: the file is empty"),
        ("0.0 1.0 Refrão\n".encode("latin-1"), "b.lab: line 1: byte 0xe3 is not UTF-8; the file looks like Latin-1"),
        (b"0.0,1.0,C\n1.0,2.0,G\n", "b.lab: line 1: '0.0,1.0,C' is no number; write 1.5 2.5 label, with blanks"),
        (b"start end label\n0.0 1.0 C\n", "b.lab: line 1: 'start' is no number; .* and no header"),
        (b"# a\n0.0 1.0 C\n\n1.0 2.0\n", "b.lab: line 4: 2 fields, where the first line has 3"),
        (b"0:00 0:01 C\n", "expected a list of"),
        (b"0.0 1.0 C\n1.0 2.0 G\nEOF\n", "b.lab: line 3: 1 fields, where the first line has 3"),
        (b"nan 1.0 C\n1.0 2.0 G\n", "does not begin with two times in seconds"),
        (b"0 1000 C\n1000 2000 G\n", "of another recording, or in milliseconds"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(songs, content, words):
    for name in "abc":
        (songs / f"{name}.lab").write_text(CHORDS)
    (songs / "b.lab").write_bytes(content)
    (songs / "songs.csv").write_text("path\na.wav\nb.wav\nc.wav\n")
    dataset = Dataset.load(songs / "songs.csv").survey().with_target("chords")
    assert re.search(words, dataset.skipped["b.wav"])
    assert len(dataset.clips) == 2


def test_a_file_in_utf_16_and_one_whose_ending_is_in_capitals_are_read(songs):
    for name in "ab":
        (songs / f"{name}.LAB").write_bytes(CHORDS.encode("utf-16"))
    assert Dataset.load(songs).with_target("chords").evidence["chords"] == "chords: 2 of 2 cells"


@pytest.mark.parametrize("target", ["chords", "key", "beats"])
def test_cells_that_name_directories_or_files_that_are_not_read_say_so(songs, target):
    (songs / "labels.lab").mkdir()
    rows = "".join(f"{name}.wav,labels.lab\n" for name in "abcd")
    (songs / "songs.csv").write_text(f"path,{target}\n{rows}")
    with pytest.raises(
        DataError, match=f"no clip is left; first reason: '{target}': 'labels.lab' is a directory; write"
    ):
        Dataset.load(songs / "songs.csv").with_target(target)
    (songs / "songs.csv").write_text(f"path,{target}\n" + "".join(f"{name}.wav,x/{name}.csv\n" for name in "abcd"))
    with pytest.raises(
        DataError, match=f"'{target}': 'x/a.csv' looks like a file, of which .jams, .lab, .beats, .txt are"
    ):
        Dataset.load(songs / "songs.csv").with_target(target)
    assert (
        Dataset.load(songs / "songs.csv").with_target(target, "classes").labels(target, "classes").names[0] == "x/a.csv"
    )


def test_of_files_beside_the_audio_that_of_the_target_is_taken(songs):
    for name in "ab":
        (songs / f"{name}.lab").write_text(CHORDS)
        (songs / f"{name}.beats").write_text("0.5 1\n1.0 2\n1.5 3\n2.0 1\n")
    assert Dataset.load(songs).with_target("chords").evidence["chords"].startswith("chords: 2")
    assert Dataset.load(songs).with_target("beats").evidence["beats"].startswith("beats: 2")
    assert Dataset.load(songs).with_target("annotation", "beats").evidence["annotation"].startswith("beats: 2")


@pytest.mark.parametrize("target", ["beats", "key", "song_key"])
def test_chords_under_the_name_of_something_else_are_doubted(songs, target):
    for name in "ab":
        (songs / f"{name}.lab").write_text(CHORDS)
    with pytest.raises(
        DataError, match=f"'{target}': its name tells of .*, its cells are chords; mend the cells, or say"
    ):
        Dataset.load(songs).with_target(target)
    assert Dataset.load(songs).with_target(target, "chords").evidence[target] == "chords: 2 of 2 cells"


@pytest.mark.parametrize(
    ("target", "namespace", "observations", "words"),
    [
        ("chords", "beat", [(0.5, 0.0, 1)], r"no annotation of 'chords' \(it has beat\)"),
        ("sections", "multi_segment", [(0.0, 4.0, {"label": "A", "level": 0})], "no annotation of 'sections'"),
        ("chords", "chord_roman", [(0.0, 4.0, {"tonic": "C", "chord": "I"})], "'chord_roman' holds records"),
        ("contour", "pitch_contour", [(0.0, 0.0, {"frequency": 440.0})], "'pitch_contour' holds records, which is no"),
        ("hits", "blob", [(0.0, 0.0, None), (0.5, 0.0, None)], "'blob' holds nothing but times"),
        ("words", "lyrics", [(0.0, 0.5, "la"), (0.5, 0.5, "la")], "'lyrics' changes over time"),
    ],
)
def test_what_a_jams_holds_that_is_not_the_target_is_named(songs, target, namespace, observations, words):
    write_jams(songs / "a.jams", (namespace, observations))
    with pytest.raises(DataError, match=rf"^a\.jams: .*{words}"):
        read_annotation(songs / "a.jams", target)


def test_of_several_tempi_at_once_the_most_confident_is_taken(songs):
    made = jams.JAMS()
    made.file_metadata.duration = 4.0
    annotation = jams.Annotation(namespace="tempo")
    for value, confidence in ((60.5, 0.1), (121.0, 0.9)):
        annotation.append(time=0, duration=4, value=value, confidence=confidence)
    made.annotations.append(annotation)
    made.save(str(songs / "a.jams"), strict=False)
    assert read_annotation(songs / "a.jams", "tempo") == 121.0


def test_a_pair_of_numbers_in_a_jams_is_values_and_a_beat_without_its_position_is_no_silent_loss(songs):
    write_jams(songs / "a.jams", ("mood_thayer", [(0.0, 4.0, [0.5, -1.0])]))
    assert read_annotation(songs / "a.jams", "mood") == [0.5, -1.0]
    write_jams(songs / "b.jams", ("beat", [(0.5, 0.0, 1), (1.0, 0.0, None), (1.5, 0.0, 3)]))
    assert read_annotation(songs / "b.jams", "beats") == [[0.5, 1], [1.0, None], [1.5, 3]]


def test_a_jams_of_notes_melody_or_onsets_is_read(songs):
    contour = [
        (0.0, 0.0, {"index": 0, "frequency": 220.0, "voiced": True}),
        (0.1, 0.0, {"index": 0, "frequency": 99.0, "voiced": False}),
    ]
    write_jams(
        songs / "a.jams", ("pitch_contour", contour), ("note_hz", [(0.5, 1.0, 440.0)]), ("onset", [(0.5, 0.0, 1)])
    )
    assert read_annotation(songs / "a.jams", "melody") == [[0.0, 220.0], [0.1, 0.0]]
    assert read_annotation(songs / "a.jams", "notes") == [[0.5, 1.5, 69.0]]
    assert read_annotation(songs / "a.jams", "onsets") == [0.5]


def test_notes_of_several_strings_are_not_those_of_the_first(songs):
    write_jams(songs / "a.jams", ("note_midi", [(0.5, 1.0, 40)]), ("note_midi", [(0.5, 1.0, 45)]))
    with pytest.raises(DataError, match=r"a\.jams: it has 2 annotations 'note_midi', of strings, voices or annotators"):
        read_annotation(songs / "a.jams", "notes")


def test_an_annotation_that_nobody_made_is_passed_over(songs):
    write_jams(songs / "a.jams", ("tag_open", []), ("tag_open", [(0.0, 4.0, "slow")]))
    assert read_annotation(songs / "a.jams", "tags") == ["slow"]


def test_a_tag_without_any_confidence_is_none_of_a_jams(songs):
    made = jams.JAMS()
    made.file_metadata.duration = 4.0
    annotation = jams.Annotation(namespace="tag_open")
    for tag, confidence in (("rock", 1.0), ("pop", 0.0), ("live", None)):
        annotation.append(time=0.0, duration=4.0, value=tag, confidence=confidence)
    made.annotations.append(annotation)
    made.save(str(songs / "a.jams"), strict=False)
    assert read_annotation(songs / "a.jams", "tags") == ["rock", "live"]


@pytest.mark.parametrize("fields", ["verse 0.9", "verse 0.85", "1.5 verse"])
def test_a_number_beside_every_label_is_no_part_of_a_name(fields):
    with pytest.raises(DataError, match="is a label and a number, such as a confidence; write start, end and label"):
        read_rows(f"0 1.5 {fields}\n1.5 3 {fields}\n")
    assert read_rows("0 1.5 verse 2\n1.5 3 verse 3\n")[0] == [0.0, 1.5, "verse 2"]
