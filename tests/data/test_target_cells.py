import pandas as pd
import pytest
from written_tables import write_csv

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError


def test_lists_and_records_in_a_csv_are_json(tmp_path):
    cells = ['[[0.0, 1.0, ""C:maj""]]', "[[0.5, 1], [1.0, 2], [1.5, 1]]", '{""beat"": [0.5, 1.0], ""downbeat"": []}',
             "[" * 5000]  # fmt: skip
    for number, cell in enumerate(cells):
        (tmp_path / f"{number}.wav").write_bytes(b"x")
        (tmp_path / "songs.csv").write_text(f'path,x\n{number}.wav,"{cell}"\n')
        kinds = ("chords", "beats", "beats", "classes")
        assert Dataset.load(tmp_path / "songs.csv").labels("x").kind.name == kinds[number]


def test_a_number_that_is_missing_sets_its_clip_aside_and_changes_no_kind(tmp_path):
    for number in range(40):
        write_tone(tmp_path / f"{number}.wav", 300 + number, seconds=0.05)
    cells = ["n/a" if number == 7 else f"{80 + number}.25" for number in range(40)]
    rows = [f"{number}.wav,{cell}" for number, cell in enumerate(cells)]
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,tempo", *rows))
    kept = dataset.with_target("tempo")
    assert (len(kept.clips), kept.labels("tempo").kind.name) == (39, "values")
    assert kept.skipped == {"7.wav": "c.csv row 9: 'tempo' n/a is no number, as 39 of 40 cells are"}
    assert "n/a" in dataset.with_target("tempo", "classes").labels("tempo", "classes").names
    with pytest.raises(DataError, match="row 9: 'tempo' n/a is no number"):
        dataset.labels("tempo")


def test_a_kind_that_is_said_decides_what_cells_are(tmp_path):
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav", 300)
    dataset = Dataset.load(write_csv(tmp_path / "c.csv", "path,x", "a.wav,−1", "b.wav,2", "c.wav,low")).without({})
    clips = pd.DataFrame({"clip": list("abcd"), "x": ["−1", "2,5", "low", "0"]})
    kept = Dataset("c", clips).with_target("x", "values")
    assert kept.clips.x.tolist() == [-1, 2.5, 0]
    assert kept.skipped == {"c": "'x' low is no number"}
    assert dataset.with_target("x").labels("x").kind.name == "classes"


@pytest.mark.parametrize(
    ("kind", "cells", "words"),
    [
        ("beats", ["rock", "jazz"], "no cell of 'x' can be read as beats; .* look like classes: --kind classes"),
        ("chords", ["[0.5, 1.0, 2.0]", "[0.4, 0.9]"], "no cell of 'x' can be read as chords; .*: --kind beats"),
        ("values", ["rock", "jazz"], "no clip has a label of kind values in 'x'; .* is no number; .*: --kind classes"),
        ("key", ["rock", "jazz"], "no cell of 'x' can be read as key; .*: --kind classes"),
        (None, ["[[0, 1], [1, 2]]"] * 2, "no cell of 'x' can be read as beats; .* may be spans without labels"),
        (None, ['{"name": "rock"}'] * 2, "its cells are of no one kind .* write all in one way: names, "),
    ],
)
def test_a_kind_that_no_cell_is_of_is_told_from_labels_that_are_not_there(tmp_path, kind, cells, words):
    rows = [{"path": f"{number}.wav", "x": cell} for number, cell in enumerate(cells)]
    for row in rows:
        (tmp_path / row["path"]).write_bytes(b"RIFF")
    dataset = Dataset.from_dataframe(pd.DataFrame(rows), root=tmp_path)
    with pytest.raises(DataError, match=words):
        dataset.with_target("x", kind)
