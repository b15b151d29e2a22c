import pytest

from conftest import write_tone
from layerscope.data.dataset import Dataset
from layerscope.errors import DataError


def test_folder_has_a_class_a_sub_folder(tones):
    dataset = Dataset.load(tones)
    assert len(dataset.clips) == 30
    assert dataset.labels("label").names == ("high", "low")
    assert dataset.name == "tones"


def test_folder_counts_what_it_leaves_out(tones):
    (tones / "low" / "notes.txt").write_text("not audio")
    (tones / ".hidden").write_text("")
    write_tone(tones / "stray.wav", 300)
    assert Dataset.load(tones).skipped == {
        "low/notes.txt": "'.txt' is none of the endings of audio that is read",
        "stray.wav": "lies outside the class folders",
    }


def test_empty_folder_and_missing_path_are_refused(tmp_path):
    with pytest.raises(DataError, match="no audio in sub-folders"):
        Dataset.load(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        Dataset.load(tmp_path / "absent")
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(DataError, match="neither a folder nor"):
        Dataset.load(tmp_path / "a.xlsx")
