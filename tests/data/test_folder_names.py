"""The name of a class folder is the name of a class, whatever characters it holds."""

import numpy as np
import pytest
import soundfile

from layerscope.data.dataset import Dataset
from layerscope.errors import DataError


def folder_of(place, names, each=2):
    """Make a folder with a few clips a class."""
    for name in names:
        (place / name).mkdir(parents=True)
        for number in range(each):
            soundfile.write(place / name / f"{number}.wav", np.full(800, 0.1), 8000)
    return Dataset.load(place)


@pytest.mark.parametrize(
    "names",
    [
        ["rock|pop", "jazz"],
        ["rock, pop", "rock", "pop"],
        ["a;b", "a", "b"],
        ["C major", "A minor", "F#m", "Gbm"],
        ["0.5", "1.5", "2.5"],
        [f"{pitch}" for pitch in range(40, 65)],
        ["[1, 2]", "[3]"],
        ['["a", "b"]', "{}"],
        ["a.lab", "b.lab", "c.csv"],
        ["nan", "None", "NA", "null", ""],
        ["true", "False"],
        ["1'007", "2'008"],
        ["array(['a'])", "Decimal('1')"],
        ["[[0, 1, 'C']]", "2020-01-01"],
    ],
)
def test_each_folder_is_one_class_whatever_it_is_called(tmp_path, names):
    names = [name for name in names if name]
    dataset = folder_of(tmp_path, names).with_target("label")
    for kind in (None, "classes"):
        labels = dataset.labels("label", kind)
        assert labels.kind.name == "classes"
        assert sorted(labels.names) == sorted(names)
    assert dataset.evidence["label"].startswith(f"classes: {2 * len(names)} of {2 * len(names)} cells")


def test_names_of_folders_are_of_another_kind_where_that_is_said(tmp_path):
    dataset = folder_of(tmp_path, ["0.5", "1.5", "2.5"])
    assert (
        "they are names of folders; its cells look like values: --kind values"
        in (dataset.with_target("label").evidence["label"])
    )
    assert dataset.with_target("label", "values").labels("label", "values").values.ravel().tolist() == [
        0.5, 0.5, 1.5, 1.5, 2.5, 2.5
    ]  # fmt: skip
    keys = folder_of(tmp_path / "keys", ["C major", "Am"]).with_target("label", "key").labels("label", "key")
    assert [keys.names[value] for value in keys.values] == ["A minor", "A minor", "C major", "C major"]


def test_a_table_whose_cells_are_said_to_be_classes_loses_none_that_looks_like_several(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(80_000, 0.1), 8000)
    cells = ["rock"] * 8 + ["jazz"] * 8 + ["rock|jazz"]
    rows = "".join(f"a.wav,{row / 4},{(row + 1) / 4},{cell}\n" for row, cell in enumerate(cells))
    (tmp_path / "songs.csv").write_text(f"path,start,end,style\n{rows}")
    dataset = Dataset.load(tmp_path / "songs.csv").with_target("style", "classes")
    assert dataset.labels("style", "classes").names == ("jazz", "rock", "rock|jazz")


def test_folders_of_splits_beside_another_are_not_learnt_as_classes(tmp_path):
    with pytest.raises(DataError, match="test, train look like splits, unlabeled beside them do not"):
        folder_of(tmp_path, ["train/a", "train/b", "test/a", "test/b", "unlabeled"])


def test_one_folder_around_the_classes_is_told(tmp_path):
    with pytest.raises(DataError, match=r"all audio lies in one folder, 'data', which is one class.*give data"):
        folder_of(tmp_path, ["data/rock", "data/jazz"]).with_target("label")


def test_a_table_in_capitals_beside_audio_is_pointed_at(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(800, 0.1), 8000)
    (tmp_path / "Labels.CSV").write_text("path,label\na.wav,x\n")
    with pytest.raises(DataError, match=r"if the table .*Labels\.CSV names it, give that as --data"):
        Dataset.load(tmp_path)
